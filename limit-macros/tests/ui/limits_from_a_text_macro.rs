//! A text has to be parsed with `limits!`.

use limit_macros::rate_limit;

#[rate_limit(concat!("10", "/minute"))]
async fn concatenated() {}

#[rate_limit(env!("LIMITS"))]
async fn of_the_environment() {}

#[rate_limit(std::include_str!("limits.txt"), key = client_ip)]
async fn of_a_file() {}

fn main() {}
