//! `concurrency` is a `u64`.

use limit_runtime::{everyone, rate_limit};

const FOUR: u32 = 4;

#[rate_limit(concurrency = FOUR, key = everyone)]
async fn predict() {}

fn main() {
    let _ = predict;
}
