//! An option that is written twice is reported at both places.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = one, cost = 2, key = other)]
async fn in_one() {}

#[rate_limit("10/minute", key = one, direct = one)]
#[rate_limit("20/minute", key = other, direct = two)]
async fn in_two() {}

fn main() {
    let _ = (in_one, in_two);
}
