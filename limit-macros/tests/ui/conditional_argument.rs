//! An argument or generic parameter cannot have a `#[cfg]`.

use limit_macros::rate_limit;

#[rate_limit("10/minute")]
async fn handler(_: u8, #[cfg(all())] _b: u8, #[cfg_attr(all(), allow(unused))] c: u8) {}

#[rate_limit("10/minute")]
async fn generic<#[cfg(all())] T, #[cfg(all())] const N: usize>(_: [T; N]) {}

fn main() {
    let _ = handler;
    let _ = generic::<u8, 1>;
}
