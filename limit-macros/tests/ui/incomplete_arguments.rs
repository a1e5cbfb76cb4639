//! The macro keeps the handler while its arguments are incomplete.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = )]
async fn no_value() {}

#[rate_limit("10/minute", key)]
async fn no_equals() {}

#[rate_limit("10/minute", key: client_ip)]
async fn colon() {}

#[rate_limit("10/minute" key = one)]
async fn no_comma() {}

#[rate_limit("10/minute",, cost = 2)]
async fn two_commas() {}

#[rate_limit("10/minute", key = |headers, cost = -1)]
async fn half_a_closure() {}

#[rate_limit("10/minute", key = a + , cost = -1)]
async fn half_a_sum() {}

#[rate_limit(=)]
async fn nonsense() {}

#[rate_limit("10/minute", state = 5, cost = -1)]
async fn not_a_type() {}

fn main() {
    let _ = (no_value, no_equals, colon, no_comma, two_commas);
    let _ = (half_a_closure, half_a_sum, nonsense, not_a_type);
}
