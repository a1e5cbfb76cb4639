//! A wrong argument is reported as on a handler without a limit.

use axum::{Router, routing::get};
use limit_runtime::rate_limit;

struct NotAnExtractor;

#[rate_limit("10/minute")]
async fn handler(_: NotAnExtractor) {}

fn main() {
    let _: Router = Router::new().route("/", get(handler));
}
