//! What limiters with a store on a server must do, whatever the server is.

pub mod as_memory;
pub mod late_charges;
pub mod outages;
pub mod processes;

use crate::{
    memcached_server::Memcached,
    server_process::ServerProcess,
    servers::{Server, free_port},
};
use limit_runtime::{
    Limiter,
    clock::TestClock,
    limits,
    store::{Fallback, StoreHealth},
};
use std::{
    ops::Deref,
    time::{Duration, Instant},
};

/// A server that limiters can count in.
pub trait RemoteServer: Deref<Target = ServerProcess> {
    /// Starts one on this port.
    fn on(port: u16) -> Self;

    /// The URL of a server on this port.
    fn url_of(port: u16) -> String;
}

impl RemoteServer for Server {
    fn on(port: u16) -> Self {
        Self::redis_on(port, &[])
    }

    fn url_of(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }
}

impl RemoteServer for Memcached {
    fn on(port: u16) -> Self {
        Self::on(port, &[])
    }

    fn url_of(port: u16) -> String {
        format!("memcached://127.0.0.1:{port}")
    }
}

/// A limiter with a clock that the test moves, and its server.
#[derive(Debug)]
pub struct Harness<S> {
    /// The limiter. All its answers are those of the server.
    pub limiter: Limiter,
    /// Its clock.
    pub clock: TestClock,
    _server: S,
}

impl<S: RemoteServer> Harness<S> {
    /// Starts a server, and connects a limiter.
    pub async fn new() -> Self {
        let port = free_port();
        let server = S::on(port);
        let clock = TestClock::new();
        let limiter = Limiter::builder()
            .clock(clock.clone())
            .remote(&S::url_of(port))
            .store_deadline(Duration::from_secs(10))
            // So that no answer is one of the local counts.
            .fallback(Fallback::Deny)
            .connect()
            .await
            .unwrap();
        Self {
            limiter,
            clock,
            _server: server,
        }
    }
}

/// A server, and a limiter with the default settings.
async fn started<S: RemoteServer>() -> (S, Limiter) {
    let port = free_port();
    let server = S::on(port);
    (server, Limiter::connect(&S::url_of(port)).await.unwrap())
}

/// Waits until `holds` is true.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_async(what, async || holds()).await;
}

/// Waits until `holds` returns true.
pub async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether the circuit breaker is open.
#[must_use]
pub fn is_down(limiter: &Limiter) -> bool {
    matches!(limiter.health().store, StoreHealth::Down)
}

/// Checks `key` until the store has answered 20 times more. Meanwhile no check fails.
pub async fn until_it_answers(limiter: &Limiter, key: &str) {
    let limits = limits!("1000000/minute");
    let answered = limiter.health().answered;
    let start = Instant::now();
    while limiter.health().answered < answered + 20 {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            limiter.health()
        );
        assert!(limiter.check(&limits, key).await.unwrap().is_allowed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Checks other keys, each once, until the circuit breaker opens.
pub async fn trip(limiter: &Limiter) {
    for stranger in 0..20_u32 {
        let decision = limiter.check(&limits!("5/minute"), stranger).await.unwrap();
        assert!(decision.is_allowed());
    }
    assert!(is_down(limiter), "{:?}", limiter.health());
}

/// The number of admitted requests, of `hits` requests of one key with five a minute. None waits
/// longer than `at_most`.
pub async fn allowed(limiter: &Limiter, hits: u32, at_most: Duration) -> u32 {
    let limits = limits!("5/minute");
    let mut allowed = 0;
    for _ in 0..hits {
        let start = Instant::now();
        let decision = limiter.check(&limits, "alice").await.unwrap();
        allowed += u32::from(decision.is_allowed());
        assert!(start.elapsed() < at_most, "{:?}", start.elapsed());
    }
    allowed
}
