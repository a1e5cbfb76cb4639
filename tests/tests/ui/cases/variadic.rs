//! A handler has a fixed number of arguments.

use limit_runtime::rate_limit;

#[rate_limit("10/minute")]
unsafe extern "C" fn handler(_: u8, _: ...) {}

fn main() {
    let _ = handler;
}
