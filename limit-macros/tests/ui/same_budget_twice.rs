use limit_macros::rate_limit;

#[rate_limit("10/minute", scope = "models")]
#[rate_limit("100/hour", scope = "models")]
async fn handler() {}

fn main() {}
