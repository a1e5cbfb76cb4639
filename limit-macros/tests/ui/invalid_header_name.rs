//! The name in `header("…")` is an HTTP token.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = header("X Api Key"))]
async fn spaces() {}

#[rate_limit("10/minute", key = limit_runtime::header("x-api-key:"))]
async fn colon() {}

#[rate_limit("10/minute", key = (client_ip, (header(""), header("größe"))))]
async fn in_tuples() {}

#[rate_limit("10/minute", scope = header("a/b"), key = everyone)]
async fn in_a_scope() {}

fn main() {}
