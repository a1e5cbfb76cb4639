//! An error about `Send` shows the lines of the user.

use axum::{Router, routing::get};
use limit_runtime::rate_limit;
use std::rc::Rc;

#[rate_limit("10/minute")]
async fn handler() -> &'static str {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    drop(shared);
    "ok"
}

fn main() {
    let _: Router = Router::new().route("/", get(handler));
}
