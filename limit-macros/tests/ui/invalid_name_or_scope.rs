//! A name is printable ASCII, a scope is not empty, and `direct` is another identifier.

use limit_macros::rate_limit;

#[rate_limit("10/minute", scope = "")]
async fn empty() {}

#[rate_limit("10/minute", name = "Größe")]
async fn not_for_headers() {}

#[rate_limit("10/minute", direct = "now")]
async fn not_a_name() {}

#[rate_limit("10/minute", direct = same)]
async fn same() {}

fn main() {
    let _ = (empty, not_for_headers, not_a_name, same);
}
