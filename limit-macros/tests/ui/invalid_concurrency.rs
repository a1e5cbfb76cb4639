//! `concurrency` is a number of at least 1, and some options need it or need limits.

use limit_macros::rate_limit;

#[rate_limit("10/minute", concurrency = 0)]
async fn zero() {}

#[rate_limit(concurrency = 0)]
async fn zero_alone() {}

#[rate_limit(concurrency = "4")]
async fn text() {}

#[rate_limit(concurrency = -1)]
async fn negative() {}

#[rate_limit(concurrency = 1.5)]
async fn fraction() {}

#[rate_limit(concurrency = 1_000_000_000_000_000)]
async fn too_many() {}

#[rate_limit(concurrency)]
async fn no_value() {}

#[rate_limit("10/minute", hold_at_most = "10m")]
async fn nothing_to_hold() {}

#[rate_limit(concurrency = 4, hold_at_most = 600)]
async fn no_duration() {}

#[rate_limit(concurrency = 4, cost = 2, strategy = gcra, count_when = failed)]
async fn of_limits() {}

#[rate_limit(concurrency = 4, key = one)]
#[rate_limit(concurrency = 8, key = one)]
async fn twice() {}

#[rate_limit("10/minute", max_concurrent = 4)]
async fn name_of_others() {}

fn main() {}
