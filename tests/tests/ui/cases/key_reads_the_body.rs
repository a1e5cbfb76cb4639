//! A key function is called before the body is read.

use axum::{Form, Json, Router, routing::post};
use limit_runtime::rate_limit;

fn model(Json(input): Json<String>) -> String {
    input
}

async fn user(Form(input): Form<u64>) -> u64 {
    input
}

#[rate_limit("10/minute", key = model)]
async fn named() {}

#[rate_limit("10/minute", scope = user)]
async fn scope(_: String) {}

fn main() {
    let _: Router = Router::new().route("/1", post(named)).route("/2", post(scope));
}
