//! A cost is an integer.

use axum::{Json, Router, http::HeaderMap, routing::get};
use limit_runtime::rate_limit;

fn fraction(_: HeaderMap) -> f64 {
    1.5
}

#[rate_limit("10/minute", cost = fraction)]
async fn function() {}

#[rate_limit("10/minute", cost = inputs.first())]
async fn arguments(Json(inputs): Json<Vec<f32>>) {
    let _ = inputs;
}

fn main() {
    let _: Router = Router::new().route("/1", get(function)).route("/2", get(arguments));
}
