//! Log lines about responses that cannot be sent as they are. A process of its own: each is logged
//! once.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use axum::{Router, http::StatusCode, routing::get};
use limit_runtime::{Exceeded, Limiter, everyone, rate_limit};
use test_support::{log::Log, requests::get_status};

fn no_key() -> Result<u64, &'static str> {
    Err("no key")
}

#[rate_limit("1/minute", key = no_key)]
async fn keyed() {}

fn slow_down(_: &Exceeded<'_>) -> &'static str {
    "slow down"
}

#[rate_limit("1/minute", key = everyone, on_limited = slow_down)]
async fn limited() {}

fn with_status(_: &Exceeded<'_>) -> (StatusCode, &'static str) {
    (StatusCode::FORBIDDEN, "slow down")
}

#[rate_limit("1/minute", key = everyone, on_limited = with_status)]
async fn forbidden() {}

#[tokio::test]
async fn a_success_in_place_of_a_rejection_is_logged_once_with_the_fix() {
    let log = Log::capture();
    let app = Router::new()
        .route("/keyed", get(keyed))
        .route("/limited", get(limited))
        .route("/forbidden", get(forbidden))
        .layer(Limiter::new().layer());
    let call = async |path: &str| get_status(&app, path).await;

    for _ in 0..3 {
        call("/forbidden").await;
    }
    assert_eq!(log.lines_about_set_up(), [""; 0], "nothing is wrong");

    for _ in 0..3 {
        let status = call("/keyed").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    let lines = log.lines_about_set_up();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ERROR"), "{lines:?}");
    assert!(
        lines[0].contains("Err((StatusCode::UNAUTHORIZED, "),
        "{lines:?}"
    );

    for _ in 0..4 {
        call("/limited").await;
    }
    let lines = log.lines_about_set_up();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN"), "{lines:?}");
    assert!(
        lines[0].contains("(StatusCode::TOO_MANY_REQUESTS, body)"),
        "{lines:?}"
    );

    let builder = Limiter::builder();
    let builder = builder.exceeds_capacity_status(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(log.lines_about_set_up(), [""; 0], "nothing is wrong");
    drop(builder.exceeds_capacity_status(StatusCode::OK));
    let lines = log.lines_about_set_up();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN"), "{lines:?}");
    assert!(
        lines[0].contains("is 200, which is not a client error"),
        "{lines:?}"
    );
}
