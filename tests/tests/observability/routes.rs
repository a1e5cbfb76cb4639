//! A request is counted once for its route, whatever its policies do with it.

use crate::{app::App, endpoint, requests};
use axum::{Router, body::Body, routing::get};
use http::StatusCode;
use limit_runtime::{Limiter, clock::Clock, everyone, limits, rate_limit};
use std::time::Duration;

fn failing_key() -> Result<&'static str, StatusCode> {
    Err(StatusCode::UNAUTHORIZED)
}

#[rate_limit("9/minute", key = everyone, methods = [POST], name = "routes-post")]
async fn post_only() {}

#[rate_limit("9/minute", key = failing_key, name = "routes-failing")]
async fn rejecting() {}

#[tokio::test]
async fn a_handler_that_exempts_or_rejects_inside_a_layer_does_not_count_it_again() {
    let (limiter, clock) = Limiter::for_test();
    let layer = limiter
        .limit_layer("routes-layer", limits!("100/minute"))
        .key(everyone);
    let router = Router::new()
        .route("/exempt", get(post_only))
        .route("/rejected", get(rejecting));
    let app = App {
        router: router.layer(layer),
        clock,
        limiter,
    };
    app.get("/exempt").await;
    assert_eq!(app.get("/rejected").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(requests(&app.limiter, "routes-post").exempt, 1);
    assert_eq!(requests(&app.limiter, "routes-failing").rejected, 1);
    assert_eq!(endpoint(&app.limiter, "/exempt"), (1, 0));
    assert_eq!(endpoint(&app.limiter, "/rejected"), (1, 0));
}

#[rate_limit("9/minute", key = everyone, methods = [POST], name = "routes-both-post")]
#[rate_limit("9/minute", key = failing_key, name = "routes-both-failing")]
async fn exempt_and_rejected() {}

#[tokio::test]
async fn an_exempt_rule_beside_one_that_rejects_is_counted() {
    let app = App::new(Router::new().route("/", get(exempt_and_rejected)));
    app.get("/").await;
    assert_eq!(requests(&app.limiter, "routes-both-failing").rejected, 1);
    assert_eq!(requests(&app.limiter, "routes-both-post").exempt, 1);
    assert_eq!(endpoint(&app.limiter, "/"), (1, 0));
}

#[rate_limit("1/minute", key = everyone, wait = "50s", name = "routes-waiting")]
async fn waiting() {}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_it_waits_for_room_is_counted() {
    let builder = Limiter::builder().clock(Clock::tokio());
    let limiter = builder.build();
    let router = Router::new()
        .route("/", get(waiting))
        .layer(limiter.layer());
    let send = || {
        let request = http::Request::get("/").body(Body::empty()).unwrap();
        test_support::requests::send(&router, request)
    };
    send().await;
    tokio::time::advance(Duration::from_secs(15)).await;
    let left = tokio::time::timeout(Duration::from_secs(5), send()).await;
    assert!(left.is_err(), "it waits for 45 seconds");
    let counts = requests(&limiter, "routes-waiting");
    assert_eq!((counts.total, counts.allowed, counts.abandoned), (2, 1, 1));
    assert_eq!(endpoint(&limiter, "/"), (2, 0));
    // Its place is free for the next one, which waits until it is admitted.
    assert_eq!(send().await.status(), StatusCode::OK);
    let counts = requests(&limiter, "routes-waiting");
    assert_eq!((counts.total, counts.waited, counts.abandoned), (3, 1, 1));
    assert_eq!(endpoint(&limiter, "/"), (3, 0));
}
