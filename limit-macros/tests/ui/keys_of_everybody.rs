use limit_macros::rate_limit;

#[rate_limit("10/minute", key = "x-api-key")]
async fn header_name() {}

#[rate_limit("10/minute", key = "client_ip")]
async fn function_name() {}

#[rate_limit("10/minute", key = client_ip())]
async fn called() {}

#[rate_limit("10/minute", header = "x-api-key")]
async fn as_an_option() {}

#[rate_limit("10/minute", cost = 20, strategy = gcra(burst = 10))]
async fn above_the_burst() {}

fn main() {}
