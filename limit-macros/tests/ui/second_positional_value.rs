//! Only the limits are written without a name.

use limit_macros::rate_limit;

#[rate_limit("10/minute", client_ip)]
async fn key() {}

#[rate_limit("10/minute", header("x-api-key"))]
async fn call() {}

#[rate_limit("10/minute", (client_ip, keys::user))]
async fn tuple() {}

#[rate_limit("10/minute", |headers: &HeaderMap| headers.len())]
async fn closure() {}

#[rate_limit("10/minute", 5)]
async fn number() {}

#[rate_limit("10/minute", fixed_window)]
async fn strategy() {}

#[rate_limit("10/minute", gcra(burst = 5))]
async fn gcra() {}

#[rate_limit("10/minute", deny)]
async fn fallback() {}

#[rate_limit("10/minute", [GET, POST])]
async fn methods() {}

#[rate_limit("10/minute", "100/hour")]
async fn limits() {}

fn main() {}
