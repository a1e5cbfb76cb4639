//! Misspelled options and those of other rate limiters get a hint.

use limit_macros::rate_limit;

#[rate_limit("10/minute", kye = client_ip)]
async fn slip() {}

#[rate_limit("10/minute", colour = "red")]
async fn unheard_of() {}

#[rate_limit(limits = "10/minute")]
async fn named_limits() {}

#[rate_limit("10/minute", key_func = |x: u8, y: u8| x, weight = 2)]
async fn others() {}

fn main() {
    let _ = (slip, unheard_of, named_limits, others);
}
