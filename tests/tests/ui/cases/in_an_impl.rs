//! A handler cannot be in an `impl` block, and one error says so.

use axum::extract::State;
use limit_runtime::rate_limit;

struct Api;

impl Api {
    #[rate_limit("10/minute")]
    async fn handler() {}

    #[rate_limit("10/minute")]
    async fn made(_: State<Self>) -> Option<Self> {
        None
    }
}

fn main() {
    let _ = Api::handler;
    let _ = Api::made;
}
