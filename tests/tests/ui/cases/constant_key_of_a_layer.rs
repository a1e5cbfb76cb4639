//! A constant key of a layer or limiter is one budget shared by all clients.

use limit_runtime::{Limiter, client_ip, everyone, header, limits};

fn main() {
    let limiter = Limiter::builder().default_key("authorization").build();
    let layer = || limiter.limit_layer("app", limits!("10/minute"));
    let _ = layer().key("x-api-key");
    let _ = layer().key(7_u64);
    // All of these are right.
    let _ = layer().key(client_ip);
    let _ = layer().key(everyone);
    let _ = layer().key(header("x-api-key"));
    let _ = layer().key(|| "all");
    let _ = layer().key(());
}
