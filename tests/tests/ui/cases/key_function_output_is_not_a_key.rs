//! A key function returns a key.

use axum::{Router, http::HeaderMap, routing::get};
use limit_runtime::rate_limit;

struct NotAKey;

fn key(_: &HeaderMap) -> NotAKey {
    NotAKey
}

async fn later(_: HeaderMap) -> Option<NotAKey> {
    None
}

#[rate_limit("10/minute", key = key)]
async fn plain() {}

#[rate_limit("10/minute", key = later)]
async fn asynchronous() {}

#[rate_limit("10/minute", key = NotAKey)]
async fn constant() {}

fn main() {
    let _: Router = Router::new()
        .route("/1", get(plain))
        .route("/2", get(asynchronous))
        .route("/3", get(constant));
}
