//! Axum allows at most 16 arguments.

use limit_macros::rate_limit;

#[rate_limit("10/minute")]
async fn handler(
    _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8,
    _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8,
    seventeenth: u16,
) {
    let _ = seventeenth;
}

fn main() {
    let _ = handler;
}
