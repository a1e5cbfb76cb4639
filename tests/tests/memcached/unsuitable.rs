//! Servers that cannot be used, and URLs that are wrong: errors that say so.

use limit_runtime::{Limiter, store::ConnectError};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};
use test_support::{log::Log, memcached_server::Memcached, servers::Server};

/// The URL of a server that answers everything with these bytes.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("memcached://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

async fn error(url: &str) -> ConnectError {
    Limiter::connect(url).await.unwrap_err()
}

#[tokio::test]
async fn a_server_of_another_kind_is_named() {
    let redis = Server::redis();
    let error = error(&redis.url().replace("redis://", "memcached://")).await;
    assert!(matches!(error, ConnectError::Misconfigured { .. }));
    let text = error.to_string();
    assert!(text.contains("is not a memcached"), "{text}");
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"garbled\n",
        b"\n\n\n",
    ] {
        let error = self::error(&answering(answer)).await.to_string();
        assert!(error.contains("is not a memcached"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_named() {
    let error = error(&answering(
        b"VERSION 1.5.22\r\nERROR\r\nSTAT item_size_max 1048576\r\nEND\r\nEND\r\n",
    ))
    .await;
    assert!(matches!(error, ConnectError::Unfit { .. }));
    let text = error.to_string();
    assert!(text.contains("memcached 1.5.22"), "{text}");
    assert!(text.contains("memcached 1.6 or later"), "{text}");
}

#[tokio::test]
async fn a_server_that_requires_authentication_is_named() {
    let file = std::env::temp_dir().join(format!("limit-memcached-{}", std::process::id()));
    std::fs::write(&file, "user:password\n").unwrap();
    let server = Memcached::with(&["-Y", file.to_str().unwrap()]);
    let error = error(&server.url()).await;
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(error, ConnectError::Misconfigured { .. }));
    let text = error.to_string();
    assert!(text.contains("requires authentication (SASL)"), "{text}");
    assert!(text.contains("without `-S` and `-Y`"), "{text}");
}

#[tokio::test]
async fn items_that_are_too_small_are_named() {
    let server = Memcached::with(&["-I", "1k", "-o", "slab_chunk_max=512"]);
    let error = error(&server.url()).await;
    assert!(matches!(error, ConnectError::Unfit { .. }));
    let text = error.to_string();
    assert!(text.contains("at most 1024 bytes"), "{text}");
    let server = Memcached::with(&["-I", "8k", "-o", "slab_chunk_max=4096"]);
    Limiter::connect(&server.url()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_silent_or_full_is_a_warning() {
    let (log, _guard) = Log::capture_thread();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("memcached://{}", silent.local_addr().unwrap());
    let start = Instant::now();
    let limiter = Limiter::connect(&url).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
    let limits = limit_runtime::limits!("1/minute");
    assert!(limiter.check(&limits, "alice").await.unwrap().is_allowed());
    assert!(!limiter.check(&limits, "alice").await.unwrap().is_allowed());
    assert!(log.text().contains("memcached did not answer within"));
    let full = answering(b"ERROR Too many open connections\r\n");
    Limiter::connect(&full).await.unwrap();
    assert!(log.text().contains("raise the limit with `-c`"));
}

#[tokio::test]
async fn a_prefix_that_memcached_does_not_take_is_named() {
    let server = Memcached::start();
    for prefix in ["two words", &"p".repeat(200)] {
        let builder = Limiter::builder().remote(&server.url()).key_prefix(prefix);
        let error = builder.connect().await.unwrap_err().to_string();
        assert!(error.contains("at most 190 ASCII characters"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_url_says_what_to_write() {
    for (url, part) in [
        (
            "memcached://u:hunter2@h",
            "user and password are not supported",
        ),
        ("memcached://h/0", "no path or database"),
        ("memcache://h", "allowed: memory, memcached, redis"),
    ] {
        let error = error(url).await.to_string();
        assert!(
            error.contains(part) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_environment_names_the_servers() {
    let server = Memcached::start();
    let variables = [("RATE_LIMIT_STORE", server.url())];
    let limiter = Limiter::from_variables(variables).await.unwrap();
    let limits = limit_runtime::limits!("1/minute");
    limiter.check(&limits, "alice").await.unwrap();
    assert_eq!(server.counter("curr_items"), 2);
}

#[tokio::test]
async fn a_value_that_the_limiter_did_not_write_fails_its_own_requests_alone() {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let limits = limit_runtime::limits!("5/minute");
    limiter.check(&limits, "bob").await.unwrap();
    let name = limiter.describe_key("", "alice").unwrap();
    let set = format!("set {name} 0 60 1\r\nx");
    assert!(
        test_support::servers::ask(server.port(), &set)
            .unwrap()
            .contains("STORED")
    );
    let mut allowed = 0;
    for _ in 0..20 {
        let decision = limiter.check(&limits, "alice").await.unwrap();
        allowed += u32::from(decision.is_allowed());
        let other = limit_runtime::limits!("100/minute");
        assert!(limiter.check(&other, "bob").await.unwrap().is_allowed());
    }
    // By the local counts.
    assert_eq!(allowed, 5);
    assert!(!test_support::remote::is_down(&limiter));
}
