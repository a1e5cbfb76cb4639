//! `methods` is a list of HTTP methods.

use limit_macros::rate_limit;

#[rate_limit("10/minute", methods = POST)]
async fn not_a_list() {}

#[rate_limit("10/minute", methods = [])]
async fn empty() {}

#[rate_limit("10/minute", methods = [post, "GET", FETCH])]
async fn unknown() {}

fn main() {}
