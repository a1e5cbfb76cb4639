//! What must be true of the server when all is done.

use limit_runtime::{Limiter, limits};
use test_support::{log::Log, memcached_server::Memcached, remote::processes, servers::patient};

/// Not a test by itself: what each process of the next one runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by four_processes_share_one_limit_exactly"]
async fn worker() {
    processes::work().await;
}

#[test]
fn four_processes_share_one_limit_exactly() {
    let server = Memcached::start();
    processes::four_processes_share_one_limit_exactly(&server.url());
    let [reads, writes, late] = ["cmd_get", "cmd_set", "cas_badval"].map(|it| server.counter(it));
    println!("{reads} reads and {writes} writes, of which {late} came too late");
}

#[tokio::test]
async fn a_hot_key_takes_few_calls() {
    let server = Memcached::start();
    let limiter = patient(&server.url()).await;
    let limits = limits!("1_000_000/hour");
    limiter.check(&limits, "hot").await.unwrap();
    let before = server.counter("cmd_set") + server.counter("cmd_get");
    let tasks: Vec<_> = (0..512)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                for _ in 0..4 {
                    let decision = limiter.check(&limits!("1_000_000/hour"), "hot").await;
                    assert!(decision.unwrap().is_allowed());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let calls = server.counter("cmd_set") + server.counter("cmd_get") - before;
    assert!(calls < 300, "{calls} calls for 2,048 checks");
    assert_eq!(server.counter("cas_badval"), 0);
    let decision = limiter.check(&limits, "hot").peek().await.unwrap();
    assert_eq!(decision.outcomes()[0].remaining(), 1_000_000 - 2_049);
}

#[tokio::test]
async fn a_denial_writes_nothing_and_every_item_expires() {
    let server = Memcached::start();
    for number in 0..4 {
        // A limiter that remembers no denial.
        let limiter = patient(&server.url()).await;
        let decision = limiter.check(&limits!("2/minute; 9/hour"), "alice").await;
        assert_eq!(decision.unwrap().is_allowed(), number < 2);
    }
    // The generation, and two hits.
    assert_eq!(server.counter("cmd_set"), 3);
    let items = server.items();
    let items: Vec<_> = items
        .lines()
        .filter(|line| line.starts_with("key="))
        .collect();
    assert_eq!(items.len(), 2, "{items:?}");
    for item in items {
        let never = item.contains("exp=-1");
        assert_eq!(never, item.contains("generation"), "{item}");
    }
}

#[tokio::test]
async fn a_raw_key_reaches_neither_store_nor_log_nor_debug_output() {
    const CANARY: &str = "sk-canary-0123456789";
    let (log, _guard) = Log::capture_thread();
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let check = || limiter.check(&limits!("3/minute"), CANARY).scope(CANARY);
    for _ in 0..5 {
        check().await.unwrap();
    }
    let name = limiter.describe_key(CANARY, CANARY).unwrap();
    let items = server.items();
    assert!(
        items.contains(&name.replace(':', "%3A")) || items.contains(&name),
        "{name}: {items}"
    );
    limiter.reset_key(CANARY, CANARY).await.unwrap();
    server.kill();
    for _ in 0..8 {
        check().await.unwrap();
    }
    let log = log.text();
    let debug = format!("{limiter:?} {:?}", limiter.health());
    for (place, text) in [("the server", &items), ("the log", &log), ("Debug", &debug)] {
        assert!(!text.contains("canary"), "{place}: {text}");
    }
}

#[tokio::test]
async fn no_byte_of_a_key_is_on_the_wire() {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpListener, TcpStream},
        sync::{Arc, Mutex},
        thread,
    };

    const CANARY: &str = "sk-canary-0123456789";
    let server = Memcached::start();
    let port = server.port();
    let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("memcached://{}", listener.local_addr().unwrap());
    let record = seen.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), upstream.try_clone().unwrap()),
                (upstream, client),
            ] {
                let record = record.clone();
                thread::spawn(move || {
                    let mut part = [0; 4096];
                    while let Ok(length @ 1..) = from.read(&mut part) {
                        record.lock().unwrap().extend_from_slice(&part[..length]);
                        if to.write_all(&part[..length]).is_err() {
                            return;
                        }
                    }
                });
            }
        }
    });
    let limiter = patient(&url).await;
    for _ in 0..4 {
        let limits = limits!("3/minute");
        let check = limiter.check(&limits, CANARY).scope(CANARY);
        check.await.unwrap();
    }
    limiter.reset_key(CANARY, CANARY).await.unwrap();
    assert_eq!(limiter.health().failed, 0);
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    assert!(seen.contains("ms limit:"), "{seen}");
    assert!(!seen.contains("canary"), "{seen}");
}
