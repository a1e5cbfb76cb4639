//! A handler cannot be in an `impl` block, and one error says so.

use limit_macros::rate_limit;

struct Api;

impl Api {
    #[rate_limit("10/minute")]
    async fn handler() {}

    /// Documented.
    #[rate_limit("10/minute", key = client_ip)]
    #[allow(unused)]
    pub async fn with_an_argument(id: Path<u64>) -> String {
        id.to_string()
    }

    #[rate_limit("10/minute")]
    async fn by_reference(&self) {}

    #[rate_limit("10/minute")]
    async fn with_self(_: State<Self>) -> Option<Self> {
        None
    }
}

mod deeper {
    pub trait Handlers {
        #[limit_macros::rate_limit("10/minute")]
        async fn provided() {}
    }
}

struct Path<T>(T);
impl Path<u64> {
    fn to_string(&self) -> String {
        String::new()
    }
}
struct State<T>(T);

fn main() {
    let _ = (Api::handler, Api::with_an_argument, Api::by_reference, Api::with_self);
}
