//! A key function may use the state that the handler takes.

use axum::{Router, extract::State, routing::get};
use limit_runtime::rate_limit;

fn key(State(name): State<String>) -> String {
    name
}

#[rate_limit("10/minute", key = key)]
async fn handler() {}

fn main() {
    let _: Router = Router::new().route("/", get(handler)).with_state(String::new());
}
