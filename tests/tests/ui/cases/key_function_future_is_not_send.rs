//! The error names `Send`, and shows the `await`.

use axum::{Router, http::HeaderMap, routing::get};
use limit_runtime::{Limits, limits, rate_limit};
use std::rc::Rc;

async fn key(headers: HeaderMap) -> String {
    let shared = Rc::new(headers.len());
    std::future::ready(()).await;
    shared.to_string()
}

async fn limits(_: &HeaderMap) -> Result<Limits, String> {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    drop(shared);
    Ok(limits!("10/minute"))
}

async fn cost(_: &HeaderMap) -> u32 {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    *shared
}

#[rate_limit("10/minute", key = key)]
async fn by_key() {}

#[rate_limit(limits)]
async fn by_limits() {}

#[rate_limit("10/minute", cost = cost)]
async fn by_cost() {}

fn main() {
    let _: Router = Router::new().route("/", get(by_key).post(by_limits).put(by_cost));
}
