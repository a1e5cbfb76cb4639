//! Requests that wait for what reservations give back, on tokio's paused clock.

use axum::{Router, extract::State, routing::get};
use http::StatusCode;
use limit_runtime::{Limiter, Reservation, clock::Clock, everyone, rate_limit};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use test_support::requests::{request, send};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};

type Kept = Arc<Mutex<Vec<Reservation>>>;

#[rate_limit("100/hour", key = everyone, cost = 100, wait = "5s")]
async fn keep(State(kept): State<Kept>, reservation: Reservation) {
    kept.lock().unwrap().push(reservation);
}

/// The status, and the milliseconds until it came.
type Seen = (StatusCode, u128);

async fn start(router: &Router) -> JoinHandle<Seen> {
    let router = router.clone();
    let task = tokio::spawn(async move {
        let start = Instant::now();
        let response = send(&router, request("GET", "/", "")).await;
        (response.status(), start.elapsed().as_millis())
    });
    for _ in 0..64 {
        yield_now().await;
    }
    task
}

fn app() -> (Router, Kept) {
    let kept = Kept::default();
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let router = Router::new()
        .route("/", get(keep))
        .with_state(kept.clone())
        .layer(limiter.layer());
    (router, kept)
}

fn settle_first(kept: &Kept) {
    let first = kept.lock().unwrap().remove(0);
    first.release();
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_is_served_when_a_reservation_is_settled() {
    let (router, kept) = app();
    assert_eq!(start(&router).await.await.unwrap(), (StatusCode::OK, 0));
    // The limit alone has no room for an hour.
    let waiting = start(&router).await;
    sleep(Duration::from_millis(1_500)).await;
    settle_first(&kept);
    assert_eq!(waiting.await.unwrap(), (StatusCode::OK, 1_500));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_is_refused_only_after_its_wait() {
    let (router, _kept) = app();
    assert_eq!(start(&router).await.await.unwrap(), (StatusCode::OK, 0));
    let waiting = start(&router).await;
    let limited = StatusCode::TOO_MANY_REQUESTS;
    assert_eq!(waiting.await.unwrap(), (limited, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_served_in_order() {
    let (router, kept) = app();
    assert_eq!(start(&router).await.await.unwrap(), (StatusCode::OK, 0));
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(start(&router).await);
    }
    for (index, next) in waiting.into_iter().enumerate() {
        sleep(Duration::from_millis(100)).await;
        settle_first(&kept);
        let served_after = 100 * (index as u128 + 1);
        assert_eq!(next.await.unwrap(), (StatusCode::OK, served_after));
    }
}

#[rate_limit("100/hour", key = everyone, cost = 100, wait = "5s")]
async fn never_reserves() {}

#[tokio::test(start_paused = true)]
async fn without_reservations_a_wait_that_is_too_long_is_refused_at_once() {
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let router = Router::new()
        .route("/", get(never_reserves))
        .layer(limiter.layer());
    assert_eq!(start(&router).await.await.unwrap(), (StatusCode::OK, 0));
    let limited = StatusCode::TOO_MANY_REQUESTS;
    assert_eq!(start(&router).await.await.unwrap(), (limited, 0));
}
