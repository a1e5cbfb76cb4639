//! Routers must know the types.

use limit_macros::rate_limit;

#[rate_limit("10/minute")]
async fn handler(_: impl Send) {}

fn main() {
    let _ = handler(1_u8);
}
