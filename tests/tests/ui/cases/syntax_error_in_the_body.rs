//! rustc reports a syntax error in the body, and the macro adds no error.

use limit_runtime::rate_limit;

#[rate_limit("10/minute")]
async fn handler() -> String {
    let x = ;
    x
}

fn main() {
    let _ = handler;
}
