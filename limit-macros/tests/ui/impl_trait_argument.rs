//! The type of an argument cannot be `impl Trait`.

use limit_macros::rate_limit;

#[rate_limit("10/minute")]
async fn handler(_: impl Send) {}

#[rate_limit("10/minute")]
async fn nested(_: Option<impl Send>) {}

fn main() {
    let _ = handler(1_u8);
    let _ = nested(Some(1_u8));
}
