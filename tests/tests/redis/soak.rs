//! Faults under load, many times over, with figures.
//!
//! `cargo test --release -p workspace-tests --test redis -- --ignored --nocapture soak`, for about
//! two minutes; `REDIS_SOAK_ROUNDS` asks for other than 20 rounds.

use limit_runtime::{Limiter, limits, store::StoreHealth};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use test_support::servers::{Cluster, Server, ask, free_port};

const HOT: usize = 50;
const WINDOW: Duration = Duration::from_secs(2);

/// Requests that are asked all the time, and what became of them.
struct Load {
    limiter: Limiter,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Seen>>,
}

#[derive(Default)]
struct Seen {
    asked: usize,
    errors: usize,
    /// How long each took, while the fault lasted and otherwise.
    waits: Vec<Duration>,
    /// When each hit of the hot key that was let in was asked and answered.
    admitted: Vec<(Instant, Instant)>,
}

impl Load {
    async fn start(url: &str) -> Self {
        let limiter = Limiter::connect(url).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..16)
            .map(|task| tokio::spawn(hammer(limiter.clone(), stop.clone(), task)))
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        Self {
            limiter,
            stop,
            tasks,
        }
    }

    fn is_up(&self) -> bool {
        self.limiter.health().store == StoreHealth::Up
    }

    /// How long until the store is used again.
    async fn recovered(&self) -> Duration {
        let start = Instant::now();
        while !self.is_up() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "never used again"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        start.elapsed()
    }

    async fn end(self, fault: &str, rounds: usize, mut back: Vec<Duration>) {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for task in self.tasks {
            // A request that hangs never lets its task end.
            let one = tokio::time::timeout(Duration::from_secs(5), task).await;
            let one = one.expect("a request hung").unwrap();
            all.asked += one.asked;
            all.errors += one.errors;
            all.waits.extend(one.waits);
            all.admitted.extend(one.admitted);
        }
        all.waits.sort_unstable();
        back.sort_unstable();
        let part = |thousandths: usize| all.waits[(all.waits.len() - 1) * thousandths / 1000];
        let health = self.limiter.health();
        println!(
            "{fault:<28} x{rounds:<3} {:>8} requests, {} errors; p99 {:>7.1?} p99.9 {:>7.1?} max {:>7.1?}; \
             back p50 {:>7.1?} max {:>7.1?}; {} outages, {} by fallback; hot key: {} let in",
            all.asked,
            all.errors,
            part(990),
            part(999),
            part(1000),
            back.get(back.len() / 2).copied().unwrap_or_default(),
            back.last().copied().unwrap_or_default(),
            health.outages,
            health.fallbacks,
            all.admitted.len(),
        );
        assert_eq!(all.errors, 0, "{fault}");
        assert_eq!(most_in_a_window(all.admitted), HOT, "{fault}");
        // A second after the return, but for what a busy machine adds.
        assert!(
            back.last()
                .is_none_or(|back| *back < Duration::from_millis(1_500)),
            "{fault}"
        );
    }
}

async fn hammer(limiter: Limiter, stop: Arc<AtomicBool>, task: usize) -> Seen {
    let mut seen = Seen::default();
    let (hot, calm) = (limits!("50/2s"), limits!("1000000/minute"));
    while !stop.load(Ordering::Relaxed) {
        let is_hot = seen.asked % 2 == 0;
        let key = if is_hot {
            0
        } else {
            1 + task * 50 + seen.asked % 50
        };
        let limits = if is_hot { &hot } else { &calm };
        let start = Instant::now();
        let result = limiter.check(limits, u64::try_from(key).unwrap()).await;
        let end = Instant::now();
        seen.asked += 1;
        seen.waits.push(end - start);
        match result {
            Err(_) => seen.errors += 1,
            Ok(decision) if is_hot && decision.is_allowed() => seen.admitted.push((start, end)),
            Ok(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    seen
}

/// The most that were certainly let in within one window; at least what is allowed, or the load was
/// none.
fn most_in_a_window(mut admitted: Vec<(Instant, Instant)>) -> usize {
    admitted.sort_unstable_by_key(|(_, answered)| *answered);
    let surely_within = |hits: &[(Instant, Instant)]| {
        let first = hits.iter().map(|(asked, _)| *asked).min();
        let last = hits.iter().map(|(_, answered)| *answered).max();
        first
            .zip(last)
            .is_some_and(|(first, last)| last - first < WINDOW)
    };
    let mut most = HOT.min(admitted.len());
    while admitted.windows(most + 1).any(surely_within) {
        most += 1;
    }
    most
}

fn rounds() -> usize {
    let wanted = std::env::var("REDIS_SOAK_ROUNDS").ok();
    wanted.map_or(20, |number| number.parse().unwrap())
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn no_key_without_end(server: &Server) {
    let info = ask(server.port(), "INFO keyspace").unwrap();
    for line in info.lines().filter(|line| line.starts_with("db")) {
        let number = |name: &str| {
            let (_, rest) = line.split_once(name).unwrap();
            rest.split(',').next().unwrap().parse::<u32>().unwrap()
        };
        assert_eq!(number("keys="), number("expires="), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn soak() {
    let server = Server::redis();
    let tell = |command: &str| ask(server.port(), command).unwrap();

    let load = Load::start(&server.url()).await;
    pause(3_000).await;
    load.end("none", 0, Vec::new()).await;

    let load = Load::start(&server.url()).await;
    let mut back = Vec::new();
    for _ in 0..rounds() {
        server.kill();
        pause(300).await;
        server.restart();
        back.push(load.recovered().await);
        pause(200).await;
    }
    load.end("kill -9, restart", rounds(), back).await;

    let load = Load::start(&server.url()).await;
    let mut back = Vec::new();
    for _ in 0..rounds() {
        server.freeze();
        pause(400).await;
        server.thaw();
        back.push(load.recovered().await);
        pause(200).await;
    }
    load.end("SIGSTOP, SIGCONT", rounds(), back).await;

    let load = Load::start(&server.url()).await;
    for _ in 0..rounds() {
        tell("CLIENT KILL TYPE normal SKIPME yes");
        pause(50).await;
        tell("SCRIPT FLUSH");
        pause(50).await;
    }
    load.end("CLIENT KILL, SCRIPT FLUSH", rounds(), Vec::new())
        .await;

    let load = Load::start(&server.url()).await;
    let mut back = Vec::new();
    for _ in 0..rounds() / 2 {
        tell("CONFIG SET maxmemory 1");
        pause(200).await;
        tell("CONFIG SET maxmemory 0");
        back.push(load.recovered().await);
        pause(100).await;
    }
    load.end("maxmemory reached", rounds() / 2, back).await;

    let load = Load::start(&server.url()).await;
    let mut back = Vec::new();
    for _ in 0..rounds() / 2 {
        tell(&format!("REPLICAOF 127.0.0.1 {}", free_port()));
        pause(200).await;
        tell("REPLICAOF NO ONE");
        back.push(load.recovered().await);
        pause(100).await;
    }
    load.end("demoted, promoted", rounds() / 2, back).await;
    no_key_without_end(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn soak_failover_of_a_cluster() {
    let cluster = Cluster::start(true);
    let load = Load::start(&cluster.url()).await;
    let mut back = Vec::new();
    for master in &cluster.nodes[..2] {
        master.kill();
        let start = Instant::now();
        // Its replica takes over.
        while !cluster.nodes[2..].iter().all(|node| {
            ask(node.port(), "CLUSTER INFO").is_some_and(|info| info.contains("cluster_state:ok"))
        }) || start.elapsed() < Duration::from_millis(1_500)
        {
            pause(20).await;
        }
        let took = start.elapsed();
        back.push(load.recovered().await);
        println!("the cluster took {took:.1?}");
        pause(1_000).await;
    }
    let health = load.limiter.health();
    load.end("cluster failover", 2, back).await;
    assert!(health.answered > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn soak_failover_of_sentinel() {
    let master = Server::redis();
    let of_master = master.port().to_string();
    let replica = Server::redis_with(&["--replicaof", "127.0.0.1", &of_master]);
    let sentinel = Server::sentinel(master.port());
    pause(3_000).await;
    let load = Load::start(&format!(
        "redis+sentinel://127.0.0.1:{}/main",
        sentinel.port()
    ))
    .await;
    master.kill();
    let start = Instant::now();
    while !ask(replica.port(), "ROLE").is_some_and(|role| role.contains("master")) {
        pause(10).await;
    }
    println!("Sentinel took {:.1?}", start.elapsed());
    let back = load.recovered().await;
    pause(1_000).await;
    load.end("Sentinel failover", 1, vec![back]).await;
}
