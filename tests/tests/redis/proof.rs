//! What must be true of the server when all is done.

use limit_runtime::{
    IntoKey, Limiter, Strategy, limits,
    store::{Action, Charge, Scope},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    num::NonZeroU64,
    time::Duration,
};
use test_support::{
    log::Log,
    remote::{processes, until_async},
    servers::{Server, ask, patient},
};

/// Not a test by itself: what each process of the next one runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by four_processes_share_one_limit_exactly"]
async fn worker() {
    processes::work().await;
}

#[test]
fn four_processes_share_one_limit_exactly() {
    let server = Server::redis();
    processes::four_processes_share_one_limit_exactly(&server.url());
}

#[tokio::test]
async fn a_raw_key_reaches_neither_store_nor_log_nor_debug_output() {
    const CANARY: &str = "sk-canary-0123456789";
    let (log, _guard) = Log::capture_thread();
    let server = Server::redis();
    let mut monitor = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    for _ in 0..5 {
        let check = limiter.check(&limits!("3/minute"), CANARY).scope(CANARY);
        check.await.unwrap();
    }
    limiter.reset_key(CANARY, CANARY).await.unwrap();
    let keys = ask(server.port(), "KEYS *").unwrap();
    server.kill();
    for _ in 0..8 {
        limiter
            .check(&limits!("3/minute"), CANARY)
            .scope(CANARY)
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    monitor
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let _ = monitor.read_to_end(&mut seen);
    let seen = String::from_utf8_lossy(&seen).into_owned();
    let log = log.text();
    assert!(seen.contains("EVALSHA") && log.contains("store"), "{log}");
    let debug = format!("{limiter:?} {:?}", limiter.health());
    for (place, text) in [
        ("MONITOR", &seen),
        ("KEYS", &keys),
        ("the log", &log),
        ("Debug", &debug),
    ] {
        assert!(!text.contains("canary"), "{place}: {text}");
    }
}

#[tokio::test]
async fn every_redis_key_expires_and_one_without_expiry_gets_it() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let (few, many) = (limits!("2/minute"), limits!("5000/8s"));
    for _ in 0..3 {
        for limits in [&few, &many] {
            limiter.check(limits, "alice").await.unwrap();
        }
    }
    let counts = || {
        let info = ask(server.port(), "INFO keyspace").unwrap();
        let number = |name: &str| {
            let (_, rest) = info.split_once(name)?;
            rest.split(',').next()?.parse::<u32>().ok()
        };
        (number("keys=").unwrap(), number("expires=").unwrap())
    };
    // Two budgets, and the record of the windows in use.
    assert_eq!(counts(), (3, 3));
    let name = limiter.describe_key("", "alice").unwrap();
    for rule in [":m60000", ":m8000"] {
        let exists = ask(server.port(), &format!("EXISTS {name}{rule}"));
        assert!(exists.unwrap().starts_with(":1"));
    }
    let keys = ask(server.port(), "KEYS *").unwrap();
    for key in keys.lines().filter(|line| line.starts_with("limit:")) {
        assert!(
            ask(server.port(), &format!("PERSIST {key}"))
                .unwrap()
                .starts_with(":1")
        );
    }
    assert_eq!(counts(), (3, 0));
    // A limiter that remembers no denial: one that is refused, and one that is let in.
    let limiter = patient(&server.url()).await;
    let refused = limiter.check(&few, "alice").await.unwrap();
    assert!(!refused.is_allowed());
    // In another eighth of its window.
    until_async("the key expires again", async || {
        let admitted = limiter.check(&many, "alice").await.unwrap();
        assert!(admitted.is_allowed());
        counts() == (3, 3)
    })
    .await;
}

#[tokio::test]
async fn counters_stored_with_32_bits_are_still_read() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let name = limiter.describe_key("", "alice").unwrap();
    let gcra = Strategy::Gcra {
        burst: NonZeroU64::new(10).unwrap(),
    };
    for (strategy, suffix, now, before) in [
        (Strategy::SlidingWindow, 's', ">I8I8I8", ">I8I4I4"),
        (gcra, 'g', ">I8I8I8I8", ">I8I8I4I4"),
    ] {
        let limits = limits!("10/hour");
        let check = || limiter.check(&limits, "alice").strategy(strategy);
        check().cost(4).await.unwrap();
        let rewrite = format!(
            "EVAL \"redis.call('SET', KEYS[1], struct.pack('{before}', struct.unpack('{now}', \
             redis.call('GET', KEYS[1]))), 'KEEPTTL')\" 1 {name}:{suffix}3600000"
        );
        assert!(ask(server.port(), &rewrite).unwrap().starts_with("$-1"));
        let remaining = check().peek().await.unwrap().outcomes()[0].remaining();
        assert_eq!(remaining, 6, "{strategy:?}");
        assert!(check().cost(6).await.unwrap().is_allowed(), "{strategy:?}");
        assert!(!check().await.unwrap().is_allowed(), "{strategy:?}");
    }
}

/// Times to live are set with the server's clock, which nothing moves here: only the 7 s between
/// the bounds depend on how busy the machine is.
#[tokio::test]
async fn keys_live_as_long_as_docs_redis_md_says() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let name = limiter.describe_key("", "alice").unwrap();
    let assert_ttl = |suffix: char, at_most: u64| {
        let ttl = ask(server.port(), &format!("PTTL {name}:{suffix}60000")).unwrap();
        let ttl: u64 = ttl[1..].trim().parse().unwrap();
        let range = at_most - 7_000..=at_most + 5;
        assert!(range.contains(&ttl), "{suffix}: {ttl} is not in {range:?}");
    };
    let gcra = |burst| Strategy::Gcra {
        burst: NonZeroU64::new(burst).unwrap(),
    };
    for (strategy, suffix, at_most) in [
        (Strategy::MovingWindow, 'm', 67_500),
        (Strategy::FixedWindow, 'f', 60_000),
        (Strategy::SlidingWindow, 's', 120_000),
        // 5 of 10 units in a minute.
        (gcra(5), 'g', 30_000),
    ] {
        let limits = limits!("10/minute");
        let check = limiter.check(&limits, "alice").strategy(strategy).cost(5);
        assert!(check.await.unwrap().is_allowed());
        assert_ttl(suffix, at_most);
    }
    let force = async |limits, burst, cost| {
        let key = "alice".into_key();
        let charge = Charge::new(Scope::shared(""), &key, &limits);
        let charges = [charge.strategy(gcra(burst)).cost(cost)];
        limiter.check_all(&charges, Action::Force).await.unwrap();
    };
    // 15 units beyond the burst, 10 in a minute.
    force(limits!("10/minute"), 5, 15).await;
    assert_ttl('g', 120_000);
    // The 20 units are kept, and drain by 5 in a minute.
    force(limits!("5/minute"), 5, 1).await;
    assert_ttl('g', 252_000);
}
