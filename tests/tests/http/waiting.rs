//! Requests that wait for room, on tokio's paused clock: no real time passes.

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use limit_runtime::{Limiter, LimiterBuilder, clock::Clock, everyone, limits};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinSet, time::Instant};
use tower::ServiceExt;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// One request a second, and `patience` for those that come on top.
fn router(limiter: LimiterBuilder, patience: Duration) -> Router {
    let limiter = limiter.clock(Clock::tokio()).build();
    let layer = limiter
        .limit_layer("app", limits!("1/second"))
        .key(everyone);
    Router::new()
        .route("/", get(|| async {}))
        .layer(layer.wait(patience))
}

fn send(router: &Router) -> impl Future<Output = StatusCode> + Send + 'static {
    let request = Request::new(Body::empty());
    let answer = router.clone().oneshot(request);
    async move { answer.await.unwrap().status() }
}

#[tokio::test(start_paused = true)]
async fn who_is_patient_gets_room_as_soon_as_there_is_some() {
    let router = router(Limiter::builder(), Duration::from_secs(2));
    let start = Instant::now();
    assert_eq!(send(&router).await, OK);
    assert_eq!(send(&router).await, OK);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_refused_at_once() {
    let router = router(Limiter::builder(), Duration::from_millis(900));
    let start = Instant::now();
    assert_eq!(send(&router).await, OK);
    assert_eq!(send(&router).await, LIMITED);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served_until_patience_ends() {
    let router = router(Limiter::builder(), Duration::from_secs(3));
    let order = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let mut requests = JoinSet::new();
    for number in 0..6 {
        let (answer, order) = (send(&router), order.clone());
        requests.spawn(async move {
            let status = answer.await;
            order
                .lock()
                .await
                .push((number, status, start.elapsed().as_secs()));
        });
        tokio::task::yield_now().await;
    }
    requests.join_all().await;
    let mut order = order.lock().await.clone();
    order.sort_by_key(|&(number, _, _)| number);
    let expected = [
        (0, OK, 0),
        (1, OK, 1),
        (2, OK, 2),
        (3, OK, 3),
        (4, LIMITED, 3),
        (5, LIMITED, 3),
    ];
    assert_eq!(order, expected);
}

#[tokio::test(start_paused = true)]
async fn a_line_has_a_longest_length() {
    let router = router(Limiter::builder().longest_line(2), Duration::from_secs(60));
    let start = Instant::now();
    let mut requests = JoinSet::new();
    for _ in 0..5 {
        requests.spawn(send(&router));
        tokio::task::yield_now().await;
    }
    let mut answers = Vec::new();
    while let Some(status) = requests.join_next().await {
        answers.push((status.unwrap(), start.elapsed().as_secs()));
    }
    answers.sort();
    assert_eq!(
        answers,
        [(OK, 0), (OK, 1), (OK, 2), (LIMITED, 0), (LIMITED, 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_line_to_the_next() {
    let router = router(Limiter::builder(), Duration::from_secs(2));
    assert_eq!(send(&router).await, OK);
    let impatient = tokio::spawn(send(&router));
    tokio::task::yield_now().await;
    let patient = tokio::spawn(send(&router));
    tokio::task::yield_now().await;
    impatient.abort();
    let start = Instant::now();
    assert_eq!(patient.await.unwrap(), OK);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}
