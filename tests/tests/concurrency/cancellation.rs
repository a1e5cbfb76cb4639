//! Requests that end before they have a response: dropped at any poll.

use axum::{Router, body::Body, routing::get};
use http::Request;
use limit_runtime::{Limiter, everyone, rate_limit};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};
use tokio::task::yield_now;
use tower::ServiceExt;

#[rate_limit("100/minute", concurrency = 1, key = everyone, wait = "1h")]
async fn slow(text: String) -> String {
    for _ in 0..5 {
        yield_now().await;
    }
    text
}

fn request() -> Request<Body> {
    Request::get("/").body(Body::from("text")).unwrap()
}

#[tokio::test]
async fn a_request_that_is_dropped_at_any_poll_holds_nothing() {
    let limiter = Limiter::builder().build();
    let router = Router::new().route("/", get(slow)).layer(limiter.layer());
    let mut completed = 0;
    for polls in 0..40 {
        let mut call = pin!(router.clone().oneshot(request()));
        let mut context = Context::from_waker(Waker::noop());
        let mut has_ended = false;
        for _ in 0..polls {
            if !has_ended && call.as_mut().poll(&mut context).is_ready() {
                has_ended = true;
                completed += 1;
            }
        }
        // The future is dropped here.
        call.set(router.clone().oneshot(request()));
        assert_eq!(limiter.usage().unwrap().permits, 0, "after {polls} polls");
    }
    assert!(completed > 0);
}

#[tokio::test]
async fn a_waiter_that_is_dropped_leaves_its_place_to_the_next() {
    let limiter = Limiter::builder().build();
    let router = Router::new().route("/", get(slow)).layer(limiter.layer());
    let first = router.clone().oneshot(request()).await.unwrap();
    let second = tokio::spawn(router.clone().oneshot(request()));
    yield_now().await;
    let third = tokio::spawn(router.clone().oneshot(request()));
    yield_now().await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    drop(first);
    assert_eq!(third.await.unwrap().unwrap().status(), 200);
    assert_eq!(limiter.usage().unwrap().permits, 0);
}
