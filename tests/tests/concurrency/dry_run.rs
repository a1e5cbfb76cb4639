//! Concurrency limits in dry run.

use axum::{Router, body::Body, response::Response, routing::get};
use http::Request;
use limit_runtime::{Limiter, everyone, observe::PolicyStats, rate_limit};
use tower::ServiceExt;

#[rate_limit(concurrency = 1, key = everyone, dry_run)]
async fn tried() -> &'static str {
    "text"
}

#[rate_limit(concurrency = 2, key = everyone)]
#[rate_limit(concurrency = 1, key = everyone, name = "stricter", dry_run)]
async fn beside() -> &'static str {
    "text"
}

fn app() -> (Router, Limiter) {
    let limiter = Limiter::builder().build();
    let layer = limiter
        .concurrency_layer("layer", 1)
        .key(everyone)
        .dry_run();
    let router = Router::new()
        .route("/tried", get(tried))
        .route("/beside", get(beside))
        .layer(limiter.layer())
        .merge(
            Router::new()
                .route("/layer", get(|| async { "text" }))
                .layer(layer),
        );
    (router, limiter)
}

async fn call(router: &Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

fn stats(limiter: &Limiter, policy: &str) -> PolicyStats {
    let stats = limiter.stats().policies.into_iter();
    let mut stats = stats.filter(|stats| stats.policy == policy);
    stats.next().unwrap()
}

#[tokio::test]
async fn requests_are_let_through_and_counted() {
    for (path, policy) in [("/tried", "tried"), ("/layer", "layer")] {
        let (router, limiter) = app();
        let held = [call(&router, path).await, call(&router, path).await];
        assert!(held.iter().all(|response| response.status() == 200));
        assert!(
            held.iter()
                .all(|r| !r.headers().contains_key("ratelimit-policy"))
        );
        let counted = stats(&limiter, policy);
        let requests = counted.requests;
        assert_eq!(
            (requests.total, requests.allowed, requests.would_limit),
            (2, 1, 1),
            "{path}"
        );
        assert_eq!(counted.in_flight, 1);
        drop(held);
        assert_eq!(stats(&limiter, policy).in_flight, 0);
        assert_eq!(limiter.usage().unwrap().permits, 0);
        drop(call(&router, path).await);
        assert_eq!(stats(&limiter, policy).requests.allowed, 2);
    }
}

#[tokio::test]
async fn a_stricter_limit_is_tried_beside_the_live_one() {
    let (router, limiter) = app();
    let held = [
        call(&router, "/beside").await,
        call(&router, "/beside").await,
    ];
    assert!(held.iter().all(|response| response.status() == 200));
    assert_eq!(call(&router, "/beside").await.status(), 429);
    assert_eq!(stats(&limiter, "stricter").requests.would_limit, 1);
    assert_eq!(stats(&limiter, "beside").requests.limited, 1);
    assert_eq!(limiter.usage().unwrap().permits, 3);
    drop(held);
    assert_eq!(limiter.usage().unwrap().permits, 0);
}
