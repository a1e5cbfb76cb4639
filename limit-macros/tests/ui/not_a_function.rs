//! The attribute belongs on a function with a body.

use limit_macros::rate_limit;

#[rate_limit("10/minute")]
struct Handler;

#[rate_limit("10/minute")]
pub mod handlers {}

#[rate_limit("10/minute")]
impl Handler {}

trait Api {
    #[rate_limit("10/minute")]
    async fn handler();
}

fn main() {
    let _ = Handler;
}
