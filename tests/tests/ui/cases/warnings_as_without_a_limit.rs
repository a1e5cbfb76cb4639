//! Each warning appears once, where it would be without the limit.

#![deny(warnings)]

use axum::Json;
use limit_runtime::rate_limit;

#[rate_limit("10/minute", cost = used)]
async fn unused_things(Json(used): Json<u32>, mut unused: String) -> String {
    let mut never_changed = used;
    never_changed.to_string()
}

#[rate_limit("10/minute")]
#[must_use]
async fn must_be_used() {}

fn main() {
    let _ = unused_things;
    must_be_used(limit_runtime::Limited::unlimited(()));
}
