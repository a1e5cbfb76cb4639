//! `crate = …` is an absolute path.

use limit_macros::rate_limit;

#[rate_limit("10/minute", crate = limit_runtime)]
async fn relative() {}

#[rate_limit("10/minute", crate = self::inner::limit_runtime)]
async fn inner() {}

#[rate_limit("10/minute", crate = "limit_runtime")]
async fn text() {}

fn main() {
    let _ = (relative, inner, text);
}
