//! A cost is at least 1, and fits.

use limit_macros::rate_limit;

#[rate_limit("10/minute", cost = 0)]
async fn zero() {}

#[rate_limit("10/minute", cost = -1)]
async fn negative() {}

#[rate_limit("10/minute", cost = 11)]
async fn above_the_limit() {}

#[rate_limit("10/second; 100/minute", cost = 50)]
async fn above_one_of_the_limits() {}

#[rate_limit("10/minute", cost = 1.5)]
async fn fraction() {}

#[rate_limit("10/minute", cost = "5")]
async fn text() {}

#[rate_limit("10/minute", cost = 5_000_000_000)]
async fn too_large() {}

fn main() {
    let _ = (zero, negative, above_the_limit, above_one_of_the_limits, fraction, text, too_large);
}
