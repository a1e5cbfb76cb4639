//! Concurrency limits of layers.

use axum::{Router, body::Body, response::Response, routing::get};
use http::{Request, StatusCode};
use limit_runtime::{Limiter, bearer, everyone, limits, rate_limit};
use tower::ServiceExt;

#[rate_limit(concurrency = 2, key = bearer)]
async fn chat() -> &'static str {
    "text"
}

async fn call(router: &Router, token: &str) -> Response {
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_layer_with_limits_holds_a_permit_as_well() {
    let limiter = Limiter::builder().build();
    let layer = limiter
        .limit_layer("app", limits!("100/minute"))
        .key(everyone);
    let router = Router::new()
        .route("/", get(|| async { "text" }))
        .layer(layer.concurrency(1));
    let first = call(&router, "ann").await;
    assert_eq!(
        first.headers()["ratelimit-policy"],
        r#""app";q=100;w=60, "app-concurrent";q=1;qu="concurrent-requests""#
    );
    let refused = call(&router, "ann").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["ratelimit"], r#""app-concurrent";r=0"#);
    drop(first);
    assert_eq!(
        call(&router, "ann").await.headers()["ratelimit"],
        r#""app";r=98;t=60"#
    );
    assert_eq!(limiter.usage().unwrap().permits, 0);
}

#[tokio::test]
async fn a_handler_under_a_layer_needs_both_permits() {
    let limiter = Limiter::builder().build();
    let router = Router::new()
        .route("/", get(chat))
        .layer(limiter.concurrency_layer("all", 3).key(everyone));
    let held = [call(&router, "a").await, call(&router, "a").await];
    assert_eq!(limiter.usage().unwrap().permits, 4);
    assert_eq!(
        held[0].headers()["ratelimit-policy"],
        r#""chat";q=2;qu="concurrent-requests", "all";q=3;qu="concurrent-requests""#
    );
    let refused = call(&router, "a").await;
    assert_eq!(refused.headers()["ratelimit"], r#""chat";r=0"#);
    drop(refused);
    // The handler's refusal has returned the layer's permit.
    let third = call(&router, "b").await;
    assert_eq!(third.status(), 200);
    let refused = call(&router, "c").await;
    assert_eq!(refused.headers()["ratelimit"], r#""all";r=0"#);
    drop((held, third, refused));
    assert_eq!(limiter.usage().unwrap().permits, 0);
}

#[tokio::test]
async fn layers_of_one_scope_share_permits() {
    let limiter = Limiter::builder().build();
    let layer = |name| {
        limiter
            .concurrency_layer(name, 1)
            .key(everyone)
            .scope("models")
    };
    let router = Router::new()
        .route("/", get(|| async { "a" }).layer(layer("a")))
        .route("/b", get(|| async { "b" }).layer(layer("b")));
    let first = call(&router, "ann").await;
    let request = Request::get("/b").body(Body::empty()).unwrap();
    let refused = router.clone().oneshot(request).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(first);
}

#[tokio::test]
async fn zero_counts_as_one() {
    let limiter = Limiter::builder().build();
    let router = Router::new()
        .route("/", get(|| async { "text" }))
        .layer(limiter.concurrency_layer("app", 0).key(everyone));
    let first = call(&router, "ann").await;
    assert_eq!(first.status(), 200);
    assert_eq!(
        call(&router, "ann").await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    drop(first);
}
