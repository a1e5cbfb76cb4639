//! Checks per second through Redis, beside the highest rate of the server in the same run.
//!
//! `cargo bench -p limit-benches --bench redis [seconds per row]`. Needs `redis-server` and
//! `redis-benchmark`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss
)]

use limit_benches::load::Load;
use limit_runtime::{
    IntoKey, Limits, Strategy, limits,
    store::{Action, Charge, Scope, Store, redis::RedisStore},
};
use std::{num::NonZeroU64, process::Command, sync::Arc, time::Duration};
use test_support::servers::{Server, patient};

const TASKS: [usize; 4] = [1, 8, 64, 512];
const MANY: Limits = limits!("1000000/minute");
const FEW: Limits = limits!("10/minute");

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let seconds = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(3);
    let row = Duration::from_secs(seconds);
    let server = Server::redis();

    // In turns, so that whatever else the machine does meets both alike. No round is left out.
    for round in 1..=3 {
        for tasks in TASKS {
            title(&format!(
                "round {round}, moving window, 1000 keys, all allowed: store alone, then limiter"
            ));
            let store = Arc::new(RedisStore::new(&server.url()).unwrap());
            let alone = run(tasks, row, move |task, hit| {
                let store = store.clone();
                async move {
                    raw(
                        &store,
                        (task * 131 + hit) % 1000,
                        &MANY,
                        Strategy::MovingWindow,
                    )
                    .await;
                }
            });
            report(tasks, &alone.await);
            let limiter = patient(&server.url()).await;
            let guarded = run(tasks, row, move |task, hit| {
                let limiter = limiter.clone();
                async move {
                    let key = u64::try_from((task * 131 + hit) % 1000).unwrap();
                    limiter.check(&MANY, key).scope("limiter").await.unwrap();
                }
            });
            report(tasks, &guarded.await);
        }
    }
    for (name, strategy) in [
        ("fixed window", Strategy::FixedWindow),
        ("sliding window", Strategy::SlidingWindow),
        (
            "GCRA",
            Strategy::Gcra {
                burst: NonZeroU64::new(1_000_000).unwrap(),
            },
        ),
    ] {
        title(&format!("store alone, {name}, 64 tasks"));
        let store = Arc::new(RedisStore::new(&server.url()).unwrap());
        report(
            64,
            &run(64, row, move |task, hit| {
                let store = store.clone();
                async move { raw(&store, (task * 131 + hit) % 1000, &MANY, strategy).await }
            })
            .await,
        );
    }

    title("limiter under attack: one key sends 95 % and is denied");
    let limiter = patient(&server.url()).await;
    let before = calls(server.port());
    let result = run(64, row, move |task, hit| {
        let limiter = limiter.clone();
        async move {
            if hit % 20 == 0 {
                let key = u64::try_from((task * 131 + hit) % 1000).unwrap();
                limiter.check(&MANY, key).scope("calm").await.unwrap();
            } else {
                limiter
                    .check(&FEW, "attacker")
                    .scope("attacked")
                    .await
                    .unwrap();
            }
        }
    })
    .await;
    let hits = result.calls();
    report(64, &result);
    let reached = calls(server.port()) - before;
    println!(
        "    script calls per check: {:.1} %",
        100.0 * reached as f64 / hits as f64
    );

    ceiling(&server);
}

/// What the server does with the same script when nothing else is in the way.
fn ceiling(server: &Server) {
    title("redis-benchmark, EVALSHA of a script that only answers 1");
    let port = server.port().to_string();
    let load = Command::new("redis-cli")
        .args(["-p", &port, "SCRIPT", "LOAD", "return 1"])
        .output()
        .unwrap();
    let sha = String::from_utf8(load.stdout).unwrap();
    for clients in TASKS {
        let output = Command::new("redis-benchmark")
            .args([
                "-p",
                &port,
                "-c",
                &clients.to_string(),
                "-n",
                "100000",
                "--csv",
            ])
            .args(["EVALSHA", sha.trim(), "1", "k"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        println!(
            "{clients:>4} clients  {}",
            text.lines().last().unwrap_or_default()
        );
    }
}

async fn raw(store: &RedisStore, key: usize, limits: &Limits, strategy: Strategy) {
    let key = u64::try_from(key).unwrap().into_key();
    let charge = Charge::new(Scope::shared("bench"), &key, limits).strategy(strategy);
    // A time-out on a busy machine is none of the store's business.
    let _ = store.check(&[charge], Action::Consume).await;
}

fn title(text: &str) {
    println!("\n{text}");
}

async fn run<F: Future<Output = ()> + Send + 'static>(
    tasks: usize,
    row: Duration,
    hit: impl Fn(usize, usize) -> F + Clone + Send + Sync + 'static,
) -> Load {
    // The first call connects and sends the script.
    hit(0, 0).await;
    Load::run(tasks, row, hit).await
}

fn report(tasks: usize, load: &Load) {
    println!("{tasks:>4} tasks  {}", load.summary());
}

/// How many scripts the server has run.
fn calls(port: u16) -> u64 {
    let info = test_support::servers::ask(port, "INFO commandstats").unwrap();
    let line = info
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    line.and_then(|line| line.split("calls=").nth(1)?.split(',').next()?.parse().ok())
        .unwrap_or(0)
}
