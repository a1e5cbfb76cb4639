//! Both places are shown.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = "a", cost = 2, key = "b")]
async fn in_one() {}

#[rate_limit("10/minute", key = "a", direct = one)]
#[rate_limit("20/minute", key = "b", direct = two)]
async fn in_two() {}

fn main() {
    let _ = (in_one, in_two);
}
