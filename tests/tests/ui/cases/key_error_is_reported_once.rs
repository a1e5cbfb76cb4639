//! A wrong key is reported once, for every kind of expression.

use axum::{Router, routing::get};
use limit_runtime::rate_limit;

struct Keys;

impl Keys {
    fn by(_: &str) -> u64 {
        1
    }

    fn optional() -> Option<f32> {
        None
    }
}

#[rate_limit("10/minute", key = (limit_runtime::client_ip, |_: u8| "all"))]
async fn closure() {}

#[rate_limit("10/minute", key = Keys::by)]
async fn path() {}

#[rate_limit("10/minute", key = Keys::optional())]
async fn call() {}

fn main() {
    let _: Router = Router::new().route("/", get(closure).post(path).put(call));
}
