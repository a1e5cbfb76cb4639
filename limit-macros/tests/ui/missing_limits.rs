//! The limits are required.

use limit_macros::rate_limit;

#[rate_limit]
async fn nothing() {}

#[rate_limit()]
async fn parentheses() {}

#[rate_limit(key = one)]
async fn only_key() {}

#[rate_limit("10/minute")]
#[rate_limit(key = one)]
async fn second() {}


fn main() {
    let _ = (nothing, parentheses, only_key, second);
}
