//! A constant cannot be the whole key.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = "x-api-key")]
async fn header_name() {}

#[rate_limit("10/minute", key = "authorization")]
async fn header_word() {}

#[rate_limit("10/minute", key = "client_ip")]
async fn function_name() {}

#[rate_limit("10/minute", key = "keys::by_user")]
async fn function_path() {}

#[rate_limit("10/minute", key = "header(\"x-api-key\")")]
async fn function_call() {}

#[rate_limit("10/minute", key = "everyone")]
async fn everyone_in_quotes() {}

#[rate_limit("10/minute", key = "all users")]
async fn neither() {}

#[rate_limit("10/minute", key = b"x-api-key")]
async fn byte_string() {}

#[rate_limit("10/minute", key = 7)]
async fn number() {}

#[rate_limit("10/minute", key = -7)]
async fn negative_number() {}

#[rate_limit("10/minute", key = 'x')]
async fn character() {}

#[rate_limit("10/minute", key = true)]
async fn boolean() {}

#[rate_limit("10/minute", key = &("user"))]
async fn reference() {}

#[rate_limit("10/minute", key = { "user" })]
async fn block() {}

#[rate_limit("10/minute", key = concat!("x-", "api-key"))]
async fn macro_call() {}

#[rate_limit("10/minute", key = client_ip())]
async fn called() {}

#[rate_limit("10/minute", key = (user, bearer()))]
async fn called_in_a_tuple() {}

#[rate_limit("10/minute", scope = limit_runtime::route())]
async fn called_as_a_scope() {}

#[rate_limit("10/minute", key = limit_runtime::header)]
async fn not_called() {}

#[rate_limit("10/minute", key = "x-api-key".to_owned())]
async fn owned_text() {}

#[rate_limit("10/minute", header = "x-api-key")]
async fn as_an_option() {}

#[rate_limit("10/minute", cost = 20, strategy = gcra(burst = 10))]
async fn above_the_burst() {}

fn main() {}
