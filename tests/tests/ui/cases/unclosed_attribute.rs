//! The parser's own message, and no more.

use limit_runtime::rate_limit;

#[rate_limit(
async fn handler() {}

fn main() {
    let _ = handler;
}
