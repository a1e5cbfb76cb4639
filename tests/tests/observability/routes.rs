//! A request is counted once for its route, whatever its policies do with it.

use crate::{app::App, endpoint, requests};
use axum::{Router, routing::get};
use http::StatusCode;
use limit_runtime::{Limiter, everyone, limits, rate_limit};

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
