//! `wait` is a duration, and `on_store_error` is one of three words.

use limit_macros::rate_limit;

#[rate_limit("10/minute", wait = 2)]
async fn a_number() {}

#[rate_limit("10/minute", wait = "2 secunds")]
async fn unknown_unit() {}

#[rate_limit("10/minute", wait = "2s; 1/m")]
async fn several() {}

#[rate_limit("10/minute", on_store_error = "deny")]
async fn quoted() {}

#[rate_limit("10/minute", on_store_error = alow)]
async fn misspelt() {}

#[rate_limit("10/minute", deduct_when = |response| true, blocking = true)]
async fn names_of_others() {}

fn main() {}
