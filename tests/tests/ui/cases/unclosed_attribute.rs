//! rustc reports a syntax error in the attribute, and the macro adds no error.

use limit_runtime::rate_limit;

#[rate_limit(
async fn handler() {}

fn main() {
    let _ = handler;
}
