//! Two rules of a handler cannot have one name or one key.

use limit_macros::rate_limit;

#[rate_limit("10/second")]
#[rate_limit("100/minute")]
async fn no_keys() {}

#[rate_limit("10/second", key = client_ip)]
#[rate_limit("100/minute")]
async fn no_key_is_client_ip() {}

#[rate_limit("10/second", key = limit_runtime::client_ip)]
#[rate_limit("100/minute", key = everyone)]
#[cfg_attr(all(), inline)]
#[rate_limit("1000/day", key = client_ip)]
async fn others_between() {}

#[rate_limit("10/second", key = |headers: &HeaderMap| headers.len())]
#[rate_limit("100/minute", key = |headers:&HeaderMap| headers . len ())]
async fn closures() {}

#[rate_limit("10/second", key = user, strategy = fixed_window)]
#[rate_limit("100/minute", key = user, strategy = gcra(burst = 5))]
async fn whatever_the_strategies() {}

#[rate_limit("10/second", key = user, scope = route)]
#[rate_limit("100/minute", key = user, scope = limit_runtime::route)]
async fn for_each_route() {}

#[rate_limit("10/second", name = "user", key = everyone)]
#[rate_limit("100/minute", key = user)]
async fn a_name_that_is_a_key() {}

#[rate_limit("10/second", name = "burst", key = everyone)]
#[rate_limit("100/minute", name = "burst", key = client_ip)]
async fn one_name() {}

#[rate_limit("10/second", name = "burst", scope = "x")]
#[rate_limit("100/minute", name = "burst", scope = "y")]
async fn one_name_in_two_scopes() {}

fn main() {}
