//! A handler is a function outside an `impl`.

use limit_runtime::rate_limit;

struct Api;

impl Api {
    #[rate_limit("10/minute")]
    async fn handler() {}
}

fn main() {
    let _ = Api::handler;
}
