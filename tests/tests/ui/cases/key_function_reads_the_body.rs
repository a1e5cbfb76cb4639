//! A key function is called before the body is read.

use axum::{Json, Router, body::Bytes, routing::post};
use limit_runtime::rate_limit;

fn model(Json(input): Json<String>) -> String {
    input
}

async fn size(body: Bytes) -> usize {
    body.len()
}

#[rate_limit("10/minute", key = model)]
async fn named() {}

#[rate_limit("10/minute", scope = size)]
async fn scope(_: String) {}

fn main() {
    let _: Router = Router::new().route("/1", post(named)).route("/2", post(scope));
}
