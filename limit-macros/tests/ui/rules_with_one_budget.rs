//! Two rules of a handler cannot charge one shared budget.

use limit_macros::rate_limit;

#[rate_limit("10/minute", scope = "models")]
#[rate_limit("100/hour", scope = "models")]
async fn shared() {}

#[rate_limit("10/minute", key = client_ip, scope = "x")]
#[rate_limit("20/hour", scope = "x")]
async fn no_key_is_client_ip() {}

#[rate_limit("10/minute", key = limit_runtime::client_ip, scope = "x")]
#[rate_limit("20/hour", key = client_ip, scope = "x", name = "hour")]
async fn a_name_does_not_part_a_shared_scope() {}

#[rate_limit("10/minute", key = (limit_runtime::header("X-Key"), user), scope = "x")]
#[rate_limit("20/hour", key = (header("x-key"), user), scope = "x")]
async fn tuples() {}

#[rate_limit("10/minute", scope = tenant, key = everyone)]
#[rate_limit("20/hour", scope = tenant, key = ::limit_runtime::everyone)]
async fn computed() {}

#[rate_limit("10/minute", scope = |h: &HeaderMap| h.len(), key = everyone)]
#[rate_limit("20/hour", scope = | h : &HeaderMap | h . len(), key = everyone())]
async fn computed_by_a_closure() {}

#[rate_limit("10/minute", scope = "x", crate = ::server::limiting, key = everyone)]
#[rate_limit("20/hour", scope = "x", key = limiting::everyone)]
async fn under_another_name_of_the_crate() {}

#[rate_limit("10/minute", scope = "x", strategy = gcra(burst = 5))]
#[rate_limit("20/minute; 100/hour", scope = "x", strategy = gcra(burst = 10))]
async fn two_bursts_in_one_bucket() {}

fn main() {}
