//! The parser's own message, and no more.

use limit_runtime::rate_limit;

#[rate_limit("10/minute")]
async fn handler() -> String {
    let x = ;
    x
}

fn main() {
    let _ = handler;
}
