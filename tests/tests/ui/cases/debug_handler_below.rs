//! `debug_handler` below sees the handler as written, and reports its errors.

use limit_runtime::rate_limit;

struct NotAnExtractor;

#[rate_limit("10/minute")]
#[axum::debug_handler]
async fn handler(_: NotAnExtractor, _: String) {}

fn main() {
    let _ = handler;
}
