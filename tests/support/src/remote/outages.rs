//! Outages of the server. No request waits longer than `at_most`: the deadline, plus what a busy
//! machine takes to wake a task.

use super::{RemoteServer, allowed, is_down, started, trip, until};
use crate::servers::free_port;
use limit_runtime::{Limiter, limits, store::Fallback};
use std::time::{Duration, Instant};

/// Row 29 of the scenarios.
pub async fn an_outage_grants_no_second_budget<S: RemoteServer>(at_most: Duration) {
    let (server, limiter) = started::<S>().await;
    assert_eq!(allowed(&limiter, 3, at_most).await, 3);
    server.kill();
    assert_eq!(allowed(&limiter, 10, at_most).await, 2);
    trip(&limiter).await;
    server.restart();
    until("the store is used again", || !is_down(&limiter)).await;
    // The server has forgotten everything, and this process has not.
    assert_eq!(allowed(&limiter, 10, at_most).await, 0);
}

/// The limiter uses the store once it is there, and applies what it has counted without it.
pub async fn an_application_starts_without_its_store<S: RemoteServer>(at_most: Duration) {
    let port = free_port();
    let limiter = Limiter::connect(&S::url_of(port)).await.unwrap();
    assert_eq!(allowed(&limiter, 7, at_most).await, 5);
    let _server = S::on(port);
    until("the store is used", || !is_down(&limiter)).await;
    assert_eq!(allowed(&limiter, 2, at_most).await, 0);
}

/// With the circuit breaker open, 100 requests take less than `without_store` together.
pub async fn a_frozen_server_delays_requests_by_one_deadline_and_then_not_at_all<
    S: RemoteServer,
>(
    at_most: Duration,
    without_store: Duration,
) {
    let (server, limiter) = started::<S>().await;
    assert_eq!(allowed(&limiter, 1, at_most).await, 1);
    server.freeze();
    assert_eq!(allowed(&limiter, 5, at_most).await, 4);
    trip(&limiter).await;
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(allowed(&limiter, 1, at_most).await, 0);
    }
    assert!(start.elapsed() < without_store, "{:?}", start.elapsed());
    server.thaw();
    until("the store is used again", || !is_down(&limiter)).await;
}

/// A check may be denied although the limiter admits all others without its store.
pub async fn the_fallback_of_a_check_takes_precedence_over_that_of_the_limiter<S: RemoteServer>(
    at_most: Duration,
) {
    let url = S::url_of(free_port());
    let builder = Limiter::builder().remote(&url).fallback(Fallback::Allow);
    let limiter = builder.connect().await.unwrap();
    assert_eq!(allowed(&limiter, 20, at_most).await, 20);
    let limits = limits!("5/minute");
    let check = limiter.check(&limits, "bob").on_store_error(Fallback::Deny);
    assert!(check.await.is_err());
}
