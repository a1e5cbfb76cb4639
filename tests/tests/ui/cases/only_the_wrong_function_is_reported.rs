//! An error is reported at the wrong function, not at others beside it.

use axum::{Router, http::HeaderMap, routing::get};
use limit_runtime::{client_ip, everyone, rate_limit};

fn wrong(_: &HeaderMap) -> f32 {
    1.5
}

#[rate_limit("10/minute", scope = wrong)]
async fn scope() {}

#[rate_limit("10/minute", key = (client_ip, wrong))]
async fn tuple() {}

#[rate_limit("10/minute", key = everyone, cost = wrong)]
async fn cost() {}

fn main() {
    let _: Router = Router::new().route("/", get(scope).post(tuple).put(cost));
}
