//! A constant of `concurrency` is evaluated when it is compiled.

use limit_runtime::{everyone, rate_limit};

const NONE: u64 = 0;
const WRONG_TYPE: u32 = 4;

#[rate_limit(concurrency = NONE, key = everyone)]
async fn zero() {}

#[rate_limit(concurrency = WRONG_TYPE, key = everyone)]
async fn wrong_type() {}

#[rate_limit("10/minute", concurrency = 2 - 2, key = everyone)]
async fn computed() {}

fn main() {
    let _ = (zero, wrong_type, computed);
}
