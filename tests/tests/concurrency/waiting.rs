//! Requests that wait for a permit, on tokio's paused clock.

use axum::{Router, body::Body, response::Response, routing::get};
use http::{Request, StatusCode};
use limit_runtime::{Limiter, LimiterBuilder, everyone, header, rate_limit};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};
use tower::ServiceExt;

#[rate_limit(concurrency = 1, key = everyone, wait = "5s")]
async fn infer() -> &'static str {
    sleep(Duration::from_secs(2)).await;
    "done"
}

#[rate_limit(concurrency = 1, key = header("x-a"), name = "a", wait = "1h")]
#[rate_limit(concurrency = 1, key = header("x-b"), name = "b", wait = "1h")]
async fn two_keys() -> &'static str {
    sleep(Duration::from_secs(1)).await;
    "done"
}

fn app(limiter: LimiterBuilder) -> (Router, Limiter) {
    let limiter = limiter.build();
    let router = Router::new()
        .route("/", get(infer))
        .route("/two", get(two_keys))
        .layer(limiter.layer());
    (router, limiter)
}

fn request(path: &str, a: &str, b: &str) -> Request<Body> {
    let request = Request::get(path).header("x-a", a).header("x-b", b);
    request.body(Body::empty()).unwrap()
}

/// Sends a request that has asked for its permit before this returns. The body is read.
async fn start(router: &Router, request: Request<Body>) -> JoinHandle<(StatusCode, u128)> {
    let router = router.clone();
    let task = tokio::spawn(async move {
        let started = Instant::now();
        let response: Response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let after = started.elapsed().as_millis();
        axum::body::to_bytes(response.into_body(), 1_000)
            .await
            .unwrap();
        (status, after)
    });
    for _ in 0..32 {
        yield_now().await;
    }
    task
}

#[tokio::test(start_paused = true)]
async fn requests_wait_in_order_for_at_most_their_time() {
    let (router, limiter) = app(Limiter::builder());
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(start(&router, request("/", "", "")).await);
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    let (ok, refused) = (StatusCode::OK, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        seen,
        // Each takes two seconds after it has got its permit, and waits for at most five.
        [
            (ok, 2_000),
            (ok, 4_000),
            (ok, 6_000),
            (refused, 5_000),
            (refused, 5_000)
        ]
    );
    assert_eq!(limiter.usage().unwrap().permits, 0);
}

#[tokio::test(start_paused = true)]
async fn the_order_is_that_of_arrival() {
    let (router, _limiter) = app(Limiter::builder().max_waiting(100));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for index in 0..20 {
        let (router, order) = (router.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let answer = start(&router, request("/two", "same", "same")).await;
            let answer = answer.await.unwrap();
            order.lock().unwrap().push(index);
            answer
        }));
        for _ in 0..64 {
            yield_now().await;
        }
    }
    for (index, task) in tasks.into_iter().enumerate() {
        let after = 1_000 * (index as u128 + 1);
        assert_eq!(task.await.unwrap(), (StatusCode::OK, after));
    }
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn requests_for_two_permits_in_each_other_s_way_all_end() {
    let (router, limiter) = app(Limiter::builder().max_waiting(1_000));
    let mut tasks = Vec::new();
    for index in 0..60 {
        let a = ["1", "2", "3"][index % 3];
        let b = ["1", "2"][index % 2];
        tasks.push(start(&router, request("/two", a, b)).await);
    }
    for task in tasks {
        assert_eq!(task.await.unwrap().0, StatusCode::OK);
    }
    assert_eq!(limiter.usage().unwrap().permits, 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let (router, _limiter) = app(Limiter::builder().max_waiting(1));
    let first = start(&router, request("/", "", "")).await;
    let second = start(&router, request("/", "", "")).await;
    let third = start(&router, request("/", "", "")).await;
    assert_eq!(third.await.unwrap(), (StatusCode::TOO_MANY_REQUESTS, 0));
    assert_eq!(first.await.unwrap(), (StatusCode::OK, 2_000));
    assert_eq!(second.await.unwrap(), (StatusCode::OK, 4_000));
}
