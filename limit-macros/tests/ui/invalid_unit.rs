//! Errors in `unit = …` are reported at its value.

use limit_macros::rate_limit;
use limit_core::{Limits, limits};

const LIMITS: Limits = limits!("10/minute");

#[rate_limit("10 tokens/minute", unit = "frames")]
async fn differs() {}

#[rate_limit("10/second; 60 requests/minute", unit = "frames")]
async fn differs_behind() {}

#[rate_limit("10/minute", unit = "Frames")]
async fn upper_case() {}

#[rate_limit("10/minute", unit = "seventeen-letters")]
async fn too_long() {}

#[rate_limit("10/minute", unit = frames)]
async fn not_a_string() {}

#[rate_limit("10/minute", unit = "")]
async fn empty() {}

#[rate_limit("10/minuet", unit = "frames")]
async fn the_limits_are_wrong() {}

#[rate_limit(LIMITS, unit = "frames")]
async fn not_a_literal() {}

#[rate_limit("10/minute", unit = "frames", unit = "images")]
async fn twice() {}

#[rate_limit("10/minute", units = "frames")]
async fn misspelled() {}

#[rate_limit("10 tokens/minute; 60 requests/minute")]
async fn two_units() {}

#[rate_limit("10 tokens/minute; 1_000/day")]
async fn one_without_a_unit() {}

#[rate_limit("10 frames/minute")]
async fn unknown() {}

#[rate_limit("5 tokns/minute")]
async fn near_miss() {}

#[rate_limit("10 req/min")]
async fn short_form() {}

#[rate_limit("10/minute")]
#[rate_limit("10 tokens/minute")]
async fn one_identity() {}

#[rate_limit("10/minute", name = "chat")]
#[rate_limit("10 tokens/minute", name = "chat")]
async fn one_name() {}

#[rate_limit("10/minute", scope = "chat", name = "requests")]
#[rate_limit("10 tokens/minute", scope = "chat", name = "tokens")]
async fn one_budget() {}

#[rate_limit("10 tokens/minute", cost = 11)]
async fn cost_above_the_limit() {}

fn main() {}
