//! Functions of extractors cannot read the body.

use limit_macros::rate_limit;

#[rate_limit("10/minute", key = |Json(input): Json<Input>| input.model)]
async fn key() {}

#[rate_limit("10/minute", key = (client_ip, |headers: &HeaderMap, form: Form<Input>| form.0.model))]
async fn in_a_tuple() {}

#[rate_limit("10/minute", scope = async |body: axum::body::Bytes| body.len())]
async fn scope() {}

#[rate_limit(|text: String| text.parse::<Limits>())]
async fn limits() {}

#[rate_limit("10/minute", cost = |Json(inputs): Json<Vec<f32>>| inputs.len())]
async fn cost() {}

#[rate_limit("10/minute", key = |input: Option<Json<Input>>, request: Request| 1)]
async fn two() {}

fn main() {}
