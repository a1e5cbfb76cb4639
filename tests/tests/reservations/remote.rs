//! Settlements with a server: through outages, after the runtime, at shutdown.

use axum::{Router, extract::State, routing::get};
use http::StatusCode;
use limit_runtime::{Limiter, Reservation, everyone, limits, rate_limit};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use test_support::{
    memcached_server::Memcached,
    remote::{RemoteServer, is_down, until, until_async},
    requests::{get_status, remaining, request, send},
    servers::{Server, free_port, patient},
};

pub(crate) type Kept = Arc<Mutex<Vec<Reservation>>>;

#[rate_limit("100_000/hour", key = everyone, scope = "tokens", cost = 100)]
async fn keep(State(kept): State<Kept>, reservation: Reservation) {
    kept.lock().unwrap().push(reservation);
}

#[rate_limit("100_000/hour", key = everyone, scope = "tokens", cost = 0)]
async fn left() {}

#[rate_limit("100/hour", key = everyone, scope = "full", cost = 100, wait = "10s")]
async fn wait(State(kept): State<Kept>, reservation: Reservation) {
    kept.lock().unwrap().push(reservation);
}

pub(crate) fn app(limiter: &Limiter) -> (Router, Kept) {
    let kept = Kept::default();
    let router = Router::new()
        .route("/", get(keep))
        .route("/left", get(left))
        .route("/wait", get(wait))
        .with_state(kept.clone())
        .layer(limiter.layer());
    (router, kept)
}

/// The units that another process sees charged.
async fn charged(url: &str) -> u64 {
    charged_by(&patient(url).await).await
}

/// The units that a limiter sees charged.
pub(crate) async fn charged_by(limiter: &Limiter) -> u64 {
    let (router, _) = app(limiter);
    let response = send(&router, request("GET", "/left", "")).await;
    100_000 - remaining(&response)
}

/// A server that keeps what it has answered.
fn durable(port: u16) -> Server {
    Server::redis_on(port, &["--appendonly", "yes", "--appendfsync", "always"])
}

async fn a_burst_is_settled_and_drained<S: RemoteServer>() {
    let port = free_port();
    let _server = S::on(port);
    let url = S::url_of(port);
    let limiter = patient(&url).await;
    let (router, kept) = app(&limiter);
    for _ in 0..50 {
        assert_eq!(get_status(&router, "/").await, StatusCode::OK);
    }
    assert_eq!(charged(&url).await, 5_000);
    let all: Vec<_> = kept.lock().unwrap().drain(..).collect();
    for (index, reservation) in all.into_iter().enumerate() {
        // Half use less, half use more.
        reservation.commit(if index % 2 == 0 { 20 } else { 130 });
    }
    assert_eq!(limiter.shutdown().await, 0);
    assert_eq!(charged(&url).await, 25 * 20 + 25 * 130);
}

#[tokio::test]
async fn a_burst_is_settled_and_drained_in_redis() {
    a_burst_is_settled_and_drained::<Server>().await;
}

#[tokio::test]
async fn a_burst_is_settled_and_drained_in_memcached() {
    a_burst_is_settled_and_drained::<Memcached>().await;
}

#[tokio::test]
async fn settlements_of_an_outage_arrive_after_it() {
    let port = free_port();
    let server = durable(port);
    let url = server.url();
    let limiter = Limiter::connect(&url).await.unwrap();
    let (router, kept) = app(&limiter);
    for _ in 0..4 {
        assert_eq!(get_status(&router, "/").await, StatusCode::OK);
    }
    server.kill();
    // Admitted by the local counts.
    until_async("the breaker opens", async || {
        let _ = get_status(&router, "/").await;
        is_down(&limiter)
    })
    .await;
    assert_eq!(get_status(&router, "/").await, StatusCode::OK);
    let all: Vec<_> = kept.lock().unwrap().drain(..).collect();
    let mut used = 0;
    for (index, reservation) in all.into_iter().enumerate() {
        let units = [30, 130][index % 2];
        used += units;
        reservation.commit(units);
    }
    assert!(limiter.health().late_charges > 0);
    server.restart();
    until("the outage ends", || !is_down(&limiter)).await;
    assert_eq!(limiter.shutdown().await, 0);
    assert_eq!(limiter.health().late_charges_dropped, 0);
    assert_eq!(charged(&url).await, used);
}

#[tokio::test]
async fn never_less_than_used_through_restarts() {
    let port = free_port();
    let server = durable(port);
    let url = server.url();
    let limiter = Limiter::connect(&url).await.unwrap();
    let (router, kept) = app(&limiter);
    let mut used = 0;
    for round in 0..60_u64 {
        match round {
            15 | 40 => server.kill(),
            25 | 50 => server.restart(),
            _ => {}
        }
        assert_eq!(get_status(&router, "/").await, StatusCode::OK);
        if round % 2 == 1 {
            let some: Vec<_> = kept.lock().unwrap().drain(..).collect();
            for reservation in some {
                let units = 10 + 7 * round;
                used += units;
                reservation.add(units);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("the outage ends", || !is_down(&limiter)).await;
    assert_eq!(limiter.shutdown().await, 0);
    let charged = charged(&url).await;
    assert!(charged >= used, "{charged} of {used}");
    // A check of which the answer was lost may have counted its estimate beside the use.
    assert!(charged <= used + 60 * 100, "{charged} of {used}");
}

#[test]
fn a_settlement_outside_of_any_runtime_is_sent() {
    let server = Server::redis();
    let url = server.url();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (limiter, kept) = runtime.block_on(async {
        let limiter = patient(&url).await;
        let (router, kept) = app(&limiter);
        for _ in 0..2 {
            assert_eq!(get_status(&router, "/").await, StatusCode::OK);
        }
        (limiter, kept)
    });
    let first = kept.lock().unwrap().remove(0);
    // This thread has no runtime: the task runs on that of the request.
    first.commit(40);
    assert_eq!(
        runtime.block_on(async {
            until("it is sent", || limiter.health().late_charges == 0).await;
            charged(&url).await
        }),
        140
    );
    drop(runtime);
    let second = kept.lock().unwrap().remove(0);
    second.commit(150);
    assert_eq!(limiter.health().late_charges, 1);
    // The next request's runtime sends it.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (router, _kept) = app(&limiter);
        let _ = limiter.check(&limits!("9/hour"), "other").await;
        assert_eq!(limiter.shutdown().await, 0);
        assert_eq!(charged(&url).await, 190);
        drop(router);
    });
}

#[tokio::test]
async fn a_waiting_request_is_served_when_the_server_has_the_refund() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let (router, kept) = app(&limiter);
    assert_eq!(get_status(&router, "/wait").await, StatusCode::OK);
    let waiting = tokio::spawn({
        let router = router.clone();
        async move { get_status(&router, "/wait").await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    let start = std::time::Instant::now();
    let first = kept.lock().unwrap().remove(0);
    first.release();
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    assert!(start.elapsed() < Duration::from_secs(5));
}
