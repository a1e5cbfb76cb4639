//! A cost is a whole number, not negative, and fits the limit.

use limit_macros::rate_limit;

#[rate_limit("10/minute", cost = -1)]
async fn negative() {}

#[rate_limit("10/minute", cost = 2 - 5)]
async fn negative_difference() {}

#[rate_limit("10/minute", cost = -(3))]
async fn negative_in_parentheses() {}

#[rate_limit("10/minute", cost = if URGENT { 1 } else { -1 })]
async fn negative_at_times() {}

#[rate_limit("10/minute", cost = |_: &HeaderMap| -1)]
async fn negative_from_a_closure() {}

#[rate_limit("10/minute", cost = if inputs.is_empty() { -1 } else { 1 })]
async fn negative_over_arguments(Json(inputs): Json<Vec<f32>>) {}

#[rate_limit("10/minute", cost = 11)]
async fn above_the_limit() {}

#[rate_limit("10/minute", cost = 2 * 6)]
async fn computed_above_the_limit() {}

#[rate_limit("10/second; 100/minute", cost = 50)]
async fn above_one_of_the_limits() {}

#[rate_limit("10/minute", cost = 1.5)]
async fn fraction() {}

#[rate_limit("10/minute", cost = -1.5)]
async fn negative_fraction() {}

#[rate_limit("10/minute", cost = 2f32)]
async fn fraction_by_suffix() {}

#[rate_limit("10/minute", cost = "5")]
async fn text() {}

#[rate_limit("10/minute", cost = 5_000_000_000_000_000)]
async fn too_large() {}

#[rate_limit("10/minute", cost = 100_000_000 * 100_000_000)]
async fn computed_too_large() {}

fn main() {}
