//! The rows of the scenarios that go through HTTP.

use crate::app::App;
use axum::{
    Json, Router,
    extract::Path,
    routing::{get, post},
};
use http::{Method, StatusCode};
use limit_runtime::rate_limit;
use std::time::Duration;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("1/minute")]
async fn item(Path(id): Path<String>) -> String {
    id
}

#[rate_limit("10/minute")]
async fn number(Json(number): Json<u64>) -> String {
    number.to_string()
}

fn eleven() -> u32 {
    11
}

#[rate_limit("10/minute", cost = eleven)]
async fn too_dear() {}

#[tokio::test]
async fn a_route_has_one_budget_for_all_its_parameters() {
    let app = App::new(Router::new().route("/item/{id}", get(item)));
    assert_eq!(app.get("/item/1").await.status, OK);
    assert_eq!(app.get("/item/2").await.status, LIMITED);
}

#[tokio::test]
async fn one_handler_on_two_routes_has_one_budget() {
    let router = Router::new()
        .route("/item/{id}", get(item))
        .route("/thing/{id}", get(item));
    let app = App::new(router);
    assert_eq!(app.get("/item/1").await.status, OK);
    assert_eq!(app.get("/thing/1").await.status, LIMITED);
}

#[tokio::test]
async fn head_shares_the_budget_of_get() {
    let app = App::new(Router::new().route("/item/{id}", get(item)));
    assert_eq!(app.get("/item/1").await.status, OK);
    let head = app.send(Method::HEAD, "/item/1", "192.0.2.1", "").await;
    assert_eq!(head.status, LIMITED);
}

#[tokio::test]
async fn a_malformed_body_counts_and_then_is_not_read() {
    let app = App::new(Router::new().route("/number", post(number)));
    let send = || app.send(Method::POST, "/number", "192.0.2.1", "]");
    for remaining in (0..10).rev() {
        let answer = send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let state = format!(r#""number";r={remaining};t=60"#);
        assert_eq!(answer.header("ratelimit"), Some(&*state));
    }
    assert_eq!(send().await.status, LIMITED);
    assert_eq!(send().await.status, LIMITED);
}

#[tokio::test]
async fn a_client_that_waits_retry_after_is_admitted_and_one_that_comes_sooner_is_not() {
    for early in [
        Duration::ZERO,
        Duration::from_micros(1),
        Duration::from_secs(1),
    ] {
        let app = App::new(Router::new().route("/item/{id}", get(item)));
        assert_eq!(app.get("/item/1").await.status, OK);
        let refused = app.get("/item/1").await;
        assert_eq!(refused.status, LIMITED);
        assert_eq!(refused.header("retry-after"), Some("60"));
        assert_eq!(refused.header("retry-after-ms"), Some("60000"));
        app.clock.advance(Duration::from_secs(60) - early);
        let expected = if early.is_zero() { OK } else { LIMITED };
        assert_eq!(app.get("/item/1").await.status, expected);
    }
}

#[tokio::test]
async fn retry_after_is_rounded_up_and_never_0() {
    let app = App::new(Router::new().route("/item/{id}", get(item)));
    app.get("/item/1").await;
    app.clock.advance(Duration::from_millis(58_500));
    assert_eq!(app.get("/item/1").await.header("retry-after"), Some("2"));
    app.clock.advance(Duration::from_micros(1_499_999));
    let refused = app.get("/item/1").await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("retry-after-ms"), Some("1"));
}

#[tokio::test]
async fn a_cost_that_can_never_fit_gets_no_retry_after_and_says_why() {
    let app = App::new(Router::new().route("/", get(too_dear)));
    let refused = app.get("/").await;
    assert_eq!(refused.status, LIMITED);
    assert_eq!(refused.header("retry-after"), None);
    assert_eq!(refused.header("retry-after-ms"), None);
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert!(
        refused
            .body
            .contains("The cost of this request, 11, is above the rate limit of 10 per minute"),
        "{}",
        refused.body
    );
    assert!(refused.body.contains(r#""code":"cost_above_limit""#));
}
