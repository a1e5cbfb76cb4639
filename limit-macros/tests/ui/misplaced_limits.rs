//! The limits are the first argument, and a single one.

use limit_macros::rate_limit;

#[rate_limit(key = one, "10/minute")]
async fn behind() {}

#[rate_limit("10/second", "100/minute")]
async fn twice() {}

fn main() {
    let _ = (behind, twice);
}
