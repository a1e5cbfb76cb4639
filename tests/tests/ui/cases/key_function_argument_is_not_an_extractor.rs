//! A key function takes extractors.

use axum::{Router, routing::get};
use limit_runtime::rate_limit;

struct NotAnExtractor;

fn key(_: NotAnExtractor) -> &'static str {
    "key"
}

#[rate_limit("10/minute", key = key)]
async fn handler() {}

fn main() {
    let _: Router = Router::new().route("/", get(handler));
}
