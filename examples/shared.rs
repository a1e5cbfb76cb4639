//! Budgets that several clients, or several handlers, share.
//!
//! * `GET /language?text=…`: 100 a minute for the whole application, and of these 50 for each user at most. A request
//!   takes from both budgets or from neither, so a user who is refused takes nothing from the others
//! * `GET /small?text=…` and `GET /large?text=…`: 5 a minute for each user, whichever of the two is asked
//!
//! `cargo run --example shared`, then try (`PORT` chooses another port):
//!
//! ```sh
//! for i in $(seq 51); do curl -isS "http://localhost:8000/language?text=in+a+spirit" -H 'x-user: ann'; echo; done
//! for i in $(seq 51); do curl -isS "http://localhost:8000/language?text=in+a+spirit" -H 'x-user: bob'; echo; done
//! curl -isS "http://localhost:8000/language?text=in+a+spirit" -H 'x-user: eve'
//! for i in $(seq 5); do curl -isS "http://localhost:8000/small?text=in+a+spirit" -H 'x-user: ann'; echo; done
//! curl -isS "http://localhost:8000/large?text=in+a+spirit" -H 'x-user: ann'
//! ```

use axum::{Json, Router, extract::Query, routing::get};
use examples::language::{Input, Model, Output};
use limit_runtime::{Limits, everyone, header, limits, rate_limit};
use std::{error::Error, sync::LazyLock};

static SMALL: LazyLock<Model> = LazyLock::new(|| Model::train(1));
static LARGE: LazyLock<Model> = LazyLock::new(|| Model::train(3));

// A service that has users takes the key from their session: anybody can send any header.
#[rate_limit("100/minute", scope = "app", name = "app", key = everyone)]
#[rate_limit("50/minute", name = "user", key = header("x-user"))]
async fn language(Query(input): Query<Input>) -> Json<Output> {
    Json(LARGE.predict(&input.text))
}

/// Handlers that share a scope say the same limits.
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
