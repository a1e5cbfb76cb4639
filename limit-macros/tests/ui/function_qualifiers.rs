//! A handler has no qualifiers except `async`, or returns a future.

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

#[rate_limit("10/minute")]
fn text() -> String {
    String::new()
}

#[rate_limit("10/minute")]
fn fallible() -> Result<&'static str, u8> {
    Ok("")
}

#[rate_limit("10/minute")]
fn tuple() -> (u16, &'static str) {
    (1, "")
}

#[rate_limit("10/minute")]
fn opaque() -> impl IntoResponse {}

trait IntoResponse {}
impl IntoResponse for () {}

fn main() {
    let _ = (constant, dangerous, foreign, not_async, text, fallible, tuple, opaque);
}
