//! A handler cannot take `self`.

use limit_macros::rate_limit;

struct Api;

impl Api {
    #[rate_limit("10/minute")]
    async fn by_reference(&self) {}

    #[rate_limit("10/minute")]
    async fn by_value(self: Box<Self>, _: u8) {}
}

fn main() {
    let _ = Api::by_reference;
    let _ = Api::by_value;
}
