//! Every way to reach a server: a socket, a cluster, Sentinel. TLS is in `tls.rs`.

use limit_runtime::{
    Decision, IntoKey, Key, Limiter, Limits, limits,
    store::{Action, Charge, Scope},
};
use std::time::{Duration, Instant};
use test_support::{
    remote::until_it_answers,
    servers::{Cluster, Server, ask, free_port, patient},
};

pub(crate) async fn counts(limiter: &Limiter) {
    let limits = limits!("3/minute; 5/hour");
    for expected in [true, true, true, false] {
        let decision = limiter.check(&limits, "alice").await.unwrap();
        assert_eq!(decision.is_allowed(), expected);
    }
    let health = limiter.health();
    assert_eq!((health.failed, health.fallbacks), (0, 0));
    assert!(health.answered >= 4);
}

#[tokio::test]
async fn over_a_socket() {
    let socket = std::env::temp_dir().join(format!("limit-{}.sock", free_port()));
    let path = socket.display().to_string();
    let _server = Server::redis_with(&["--unixsocket", &path]);
    let limiter = patient(&format!("redis+unix://{path}?db=3")).await;
    counts(&limiter).await;
}

async fn both(limiter: &Limiter, shared: &Limits, own: &Limits, who: &Key) -> Decision {
    let everyone = ().into_key();
    let charges = [
        Charge::new(Scope::shared("all"), &everyone, shared),
        Charge::new(Scope::shared("one"), who, own),
    ];
    limiter.check_all(&charges, Action::Consume).await.unwrap()
}

#[tokio::test]
async fn a_cluster_counts_and_consumes_nothing_when_one_of_several_limits_refuses() {
    let cluster = Cluster::start(false);
    let limiter = patient(&cluster.url()).await;
    counts(&limiter).await;
    // Row 14, scaled down: the shared budget and each client's live on different nodes.
    let (shared, own) = (limits!("10/minute"), limits!("5/minute"));
    for who in 0..16_u8 {
        let decision = both(&limiter, &shared, &own, &who.into_key()).await;
        assert_eq!(decision.is_allowed(), who < 10);
    }
    limiter.reset_key(Scope::shared("all"), ()).await.unwrap();
    let alice = "alice".into_key();
    for hit in 0..9 {
        assert_eq!(
            both(&limiter, &shared, &own, &alice).await.is_allowed(),
            hit < 5
        );
    }
    // Alice's four denials took nothing from the shared budget.
    let bob = both(&limiter, &shared, &own, &"bob".into_key()).await;
    assert_eq!(bob.outcomes()[0].remaining(), 4);
    assert_eq!(bob.receipts().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_of_sentinel_is_followed() {
    let master = Server::redis();
    let of_master = master.port().to_string();
    let replica = Server::redis_with(&["--replicaof", "127.0.0.1", &of_master]);
    let sentinel = Server::sentinel(master.port());
    let knows = |what: &str| {
        ask(sentinel.port(), "SENTINEL replicas main").is_some_and(|said| said.contains(what))
    };
    wait("Sentinel knows the replica", || {
        knows(&replica.port().to_string())
    })
    .await;
    wait("the replica is in step", || {
        ask(replica.port(), "INFO replication").is_some_and(|said| said.contains("link_status:up"))
    })
    .await;
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port());
    counts(&patient(&url).await).await;
    let limiter = Limiter::connect(&url).await.unwrap();
    wait("the replica has it all", || in_step(&master, &replica)).await;
    master.kill();
    let start = Instant::now();
    // The new master counts.
    until_it_answers(&limiter, "bob").await;
    // What was replicated is still counted. Sentinel may need a moment to name the new master to
    // newcomers.
    loop {
        let limiter = patient(&url).await;
        let check = limiter.check(&limits!("3/minute; 5/hour"), "alice").peek();
        if let Ok(decision) = check.await {
            assert!(!decision.is_allowed());
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            limiter.health()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(15), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether the replica has all that the master wrote.
fn in_step(master: &Server, replica: &Server) -> bool {
    let offset = |server: &Server, name: &str| {
        let info = ask(server.port(), "INFO replication")?;
        let line = info.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    ask(master.port(), "INFO replication").is_some_and(|said| said.contains("state=online"))
        && offset(master, "master_repl_offset:") == offset(replica, "slave_repl_offset:")
}
