//! `debug_handler` calls the function, so it belongs below.

use limit_runtime::rate_limit;

#[axum::debug_handler]
#[rate_limit("10/minute")]
async fn handler(_: axum::http::Method, _: axum::http::HeaderMap) {}

fn main() {
    let _ = handler;
}
