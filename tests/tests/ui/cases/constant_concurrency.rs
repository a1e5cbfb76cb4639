//! A constant of `concurrency` is evaluated when it is compiled, also if the handler is not used.

use limit_runtime::{everyone, rate_limit};

const NONE: u64 = 0;

#[rate_limit(concurrency = NONE, key = everyone)]
async fn zero() {}

#[rate_limit("10/minute", concurrency = 2 - 2, key = everyone)]
async fn computed() {}

fn main() {}
