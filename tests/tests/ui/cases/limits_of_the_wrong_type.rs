//! Limits are `Limits`, not text or numbers.

use axum::{Router, http::HeaderMap, routing::get};
use limit_runtime::rate_limit;

const TEXT: &str = "10/minute";

struct Config;

impl Config {
    const TEXT: &'static str = "10/minute";
}

fn number(_: HeaderMap) -> u32 {
    10
}

#[rate_limit(TEXT)]
async fn text() {}

#[rate_limit(Config::TEXT)]
async fn associated() {}

#[rate_limit(number)]
async fn function() {}

fn main() {
    let _: Router = Router::new().route("/", get(text).post(associated).put(function));
}
