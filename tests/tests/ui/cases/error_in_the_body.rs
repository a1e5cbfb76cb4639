//! Errors in the body are reported in the body.

use axum::Json;
use limit_runtime::rate_limit;

#[rate_limit("10/minute", cost = n)]
async fn handler(Json(n): Json<u32>) -> Json<u32> {
    let text: &str = n;
    Json(text.len())
}

fn main() {
    let _ = handler;
}
