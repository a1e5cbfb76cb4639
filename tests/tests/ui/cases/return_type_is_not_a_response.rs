//! A wrong return type is reported at the return type.

use axum::{Router, routing::get};
use limit_runtime::rate_limit;

struct NotAResponse;

#[rate_limit("10/minute")]
async fn handler() -> NotAResponse {
    NotAResponse
}

struct Answer;

impl axum::response::IntoResponse for Answer {
    fn into_response(self) -> axum::response::Response {
        ().into_response()
    }
}

#[rate_limit("10/minute")]
fn not_async() -> Answer {
    Answer
}

fn main() {
    let _: Router = Router::new().route("/1", get(handler)).route("/2", get(not_async));
}
