//! All errors of a handler are reported at once.

use limit_macros::rate_limit;

#[rate_limit("10/minuet", kye = "a", cost = -1, crate = limit_runtime)]
async fn handler(_: u8, #[cfg(all())] _b: u8) {}

fn main() {
    let _ = handler;
}
