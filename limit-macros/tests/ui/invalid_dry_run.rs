//! `dry_run` is a word alone, once for each attribute.

use limit_macros::rate_limit;

#[rate_limit("10/minute", dry_run = true)]
async fn with_true() {}

#[rate_limit("10/minute", dry_run = false, key = client_ip)]
async fn with_false() {}

#[rate_limit("10/minute", dry_run = "yes")]
async fn with_text() {}

#[rate_limit("10/minute", dry_run = )]
async fn without_value() {}

#[rate_limit("10/minute", dry_run: true)]
async fn with_colon() {}

#[rate_limit("10/minute", dry_run(true))]
async fn with_parentheses() {}

#[rate_limit("10/minute", dry_run, dry_run)]
async fn twice() {}

#[rate_limit(dry_run, "10/minute")]
async fn before_the_limits() {}

#[rate_limit(dry_run)]
async fn without_limits() {}

#[rate_limit("10/minute", dryrun)]
async fn misspelt() {}

#[rate_limit("10/minute", shadow = true)]
async fn name_of_others() {}

#[rate_limit("10/minute", key = client_ip, dry_run)]
#[rate_limit("5/minute", key = client_ip, dry_run)]
async fn two_of_one_budget() {}

fn main() {}
