//! What requests see while memcached fails, is frozen, full, or out of connections.

use limit_runtime::{Limiter, limits};
use std::{net::TcpStream, time::Duration};
use test_support::{
    log::Log,
    memcached_server::Memcached,
    remote::{self, is_down, outages, until},
    servers::patient,
};

/// No request waits longer, plus what a busy machine takes to wake a task.
const AT_MOST: Duration = Duration::from_millis(250);

/// The number of admitted requests of one key.
async fn allowed(limiter: &Limiter, hits: u32) -> u32 {
    remote::allowed(limiter, hits, AT_MOST).await
}

#[tokio::test]
async fn an_outage_grants_no_second_budget() {
    outages::an_outage_grants_no_second_budget::<Memcached>(AT_MOST).await;
}

#[tokio::test]
async fn a_restart_between_two_requests_grants_no_second_budget() {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 3).await, 3);
    server.kill();
    server.restart();
    // The runtime has to see that the idle connections are closed.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(allowed(&limiter, 10).await, 2);
    // They fail no request.
    assert_eq!(limiter.health().failed, 0);
}

#[tokio::test]
async fn a_flush_grants_no_second_budget() {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 3).await, 3);
    let said = test_support::servers::ask(server.port(), "flush_all");
    assert!(said.unwrap().starts_with("OK"));
    assert_eq!(allowed(&limiter, 10).await, 2);
    assert_eq!(limiter.health().failed, 0);
}

#[tokio::test]
async fn an_application_starts_without_its_store() {
    outages::an_application_starts_without_its_store::<Memcached>(AT_MOST).await;
}

#[tokio::test]
async fn a_frozen_server_delays_requests_by_one_deadline_and_then_not_at_all() {
    let without_store = Duration::from_millis(200);
    outages::a_frozen_server_delays_requests_by_one_deadline_and_then_not_at_all::<Memcached>(
        AT_MOST,
        without_store,
    )
    .await;
}

#[tokio::test]
async fn a_server_without_free_connections_is_an_outage_and_is_used_again() {
    let server = Memcached::with(&["-c", "40", "-t", "1"]);
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..60 {
        streams.push(TcpStream::connect(("127.0.0.1", server.port())).unwrap());
    }
    // Whether or not the limiter gets a connection, a client gets its budget once.
    assert_eq!(allowed(&limiter, 9).await, 5);
    let late = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&late, 9).await, 5);
    assert!(late.health().fallbacks > 0, "{:?}", late.health());
    drop(streams);
    until("the store is used again", || !is_down(&late)).await;
}

#[tokio::test]
async fn a_full_server_evicts_counts_and_fails_no_request() {
    let (log, _guard) = Log::capture_thread();
    let server = Memcached::with(&["-m", "2"]);
    let limiter = patient(&server.url()).await;
    assert!(
        log.text()
            .contains("forgets counts when its memory is full")
    );
    let limits = limits!("200/minute");
    let first = limiter.check(&limits, "first").await.unwrap();
    assert!(first.is_allowed());
    let generation = server.get("limit:generation");
    assert!(generation.starts_with("VALUE "), "{generation:?}");
    let tasks: Vec<_> = (0..32_u32)
        .map(|task| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                for key in 0..800_u32 {
                    let check = limiter.check(&limits, (task, key)).cost(60);
                    assert!(check.await.unwrap().is_allowed());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(server.counter("evictions") > 0);
    assert_eq!(limiter.health().failed, 0);
    // It is read all the time, so it is not evicted. Without it, all counts would be lost.
    assert_eq!(server.get("limit:generation"), generation);
}

#[tokio::test]
async fn a_server_that_evicts_nothing_is_an_outage_when_it_is_full() {
    let server = Memcached::with(&["-M", "-m", "2"]);
    let limiter = patient(&server.url()).await;
    let limits = limits!("200/minute");
    let mut is_full = false;
    for key in 0..60_000_u32 {
        if let Err(error) = limiter.check(&limits, key).cost(60).await {
            assert!(error.to_string().contains("memory"), "{error}");
            is_full = true;
            break;
        }
    }
    assert!(is_full);
}

#[tokio::test]
async fn the_fallback_of_a_check_takes_precedence_over_that_of_the_limiter() {
    outages::the_fallback_of_a_check_takes_precedence_over_that_of_the_limiter::<Memcached>(
        AT_MOST,
    )
    .await;
}
