//! Budgets that several clients or several handlers share.
//!
//! * `GET /language?text=…`: 100 a minute for the whole application, and at most 50 of these for
//!   each user. A request consumes from both budgets or from neither, so a refused user takes
//!   nothing from the others
//! * `GET /small?text=…` and `GET /large?text=…`: 5 a minute for each user, both routes together
//!
//! `cargo run --example shared`, then try (`PORT` chooses another port):
//!
//! ```sh
//! for user in ann bob; do
//!     for i in $(seq 51); do
//!         curl -isS "http://localhost:8000/language?text=in+a+spirit" -H "x-user: $user"; echo
//!     done
//! done
//! curl -isS "http://localhost:8000/language?text=in+a+spirit" -H 'x-user: eve'
//! for i in $(seq 5); do
//!     curl -isS "http://localhost:8000/small?text=in+a+spirit" -H 'x-user: ann'; echo
//! done
//! curl -isS "http://localhost:8000/large?text=in+a+spirit" -H 'x-user: ann'
//! ```

use axum::{Json, Router, extract::Query, routing::get};
use examples::language::{Input, Model, Output};
use limit_runtime::{Limits, everyone, header, limits, rate_limit};
use std::{error::Error, sync::LazyLock};

static SMALL: LazyLock<Model> = LazyLock::new(|| Model::train(1));
static LARGE: LazyLock<Model> = LazyLock::new(|| Model::train(3));

// A real service takes the user from a session: any client can send any header.
#[rate_limit("100/minute", scope = "app", name = "app", key = everyone)]
#[rate_limit("50/minute", name = "user", key = header("x-user"))]
async fn language(Query(input): Query<Input>) -> Json<Output> {
    Json(LARGE.predict(&input.text))
}

/// Handlers that share a scope declare equal limits.
const MODELS: Limits = limits!("5/minute");

#[rate_limit(MODELS, scope = "models", key = header("x-user"))]
async fn small(Query(input): Query<Input>) -> Json<Output> {
    Json(SMALL.predict(&input.text))
}

#[rate_limit(MODELS, scope = "models", key = header("x-user"))]
async fn large(Query(input): Query<Input>) -> Json<Output> {
    Json(LARGE.predict(&input.text))
}

fn app() -> Router {
    Router::new()
        .route("/language", get(language))
        .route("/small", get(small))
        .route("/large", get(large))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("shared.rs")).await
}
