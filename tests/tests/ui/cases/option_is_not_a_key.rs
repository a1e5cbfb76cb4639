//! A key that may be missing is a `Result`. To exempt a request, limits are `None`.

use axum::{Router, http::HeaderMap, routing::get};
use limit_runtime::rate_limit;

fn optional(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-key")?.to_str().ok()?.into())
}

fn fallible(headers: &HeaderMap) -> Result<Option<String>, String> {
    Ok(optional(headers))
}

async fn later(headers: HeaderMap) -> Option<String> {
    optional(&headers)
}

#[rate_limit("10/minute", key = optional)]
async fn by_option() {}

#[rate_limit("10/minute", key = fallible)]
async fn by_result() {}

#[rate_limit("10/minute", key = later)]
async fn by_future() {}

#[rate_limit("10/minute", scope = optional)]
async fn by_scope() {}

#[rate_limit("10/minute", key = |headers: &HeaderMap| headers.get("x-key").cloned())]
async fn by_closure() {}

fn main() {
    let _: Router = Router::new()
        .route("/1", get(by_option).post(by_result).put(by_future))
        .route("/2", get(by_scope).post(by_closure));
}
