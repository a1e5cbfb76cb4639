//! Limits are limits.

use axum::{Router, http::HeaderMap, routing::get};
use limit_runtime::rate_limit;

const TEXT: &str = "10/minute";

fn number(_: HeaderMap) -> u32 {
    10
}

#[rate_limit(TEXT)]
async fn text() {}

#[rate_limit(number)]
async fn function() {}

fn main() {
    let _: Router = Router::new().route("/1", get(text)).route("/2", get(function));
}
