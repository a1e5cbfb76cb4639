//! A handler is a plain function.

use limit_macros::rate_limit;

use std::future::{Ready, ready};

#[rate_limit("10/minute")]
const fn constant() -> Ready<()> {
    panic!()
}

#[rate_limit("10/minute")]
async unsafe fn dangerous() {}

#[rate_limit("10/minute")]
extern "C" fn foreign() -> Ready<()> {
    ready(())
}

#[rate_limit("10/minute")]
fn not_async() {}

fn main() {
    let _ = (constant, dangerous, foreign, not_async);
}
