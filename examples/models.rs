//! Each model has its own limit, and the cost of a request may depend on its content.
//!
//! * `POST /light`: 100 a minute for each client address
//! * `POST /heavy`: 10 a minute
//! * `POST /batch`: 2 in 300 seconds, however many texts each request has
//! * `POST /texts`: 50 texts a minute, in any number of requests. A client that has nothing left is
//!   refused before the body is read. A list with more texts than are left is refused as a whole
//!   and consumes nothing
//!
//! `cargo run --example models`, then try (`PORT` chooses another port):
//!
//! ```sh
//! curl -isS http://localhost:8000/light --json '{"text": "tous les jours"}'
//! curl -isS http://localhost:8000/heavy --json '{"text": "tous les jours"}'
//! for i in $(seq 3); do
//!     curl -isS http://localhost:8000/batch --json '["tous les jours", "all days"]'; echo
//! done
//! for i in $(seq 3); do
//!     jq -n '[range(20) | "alle Tage"]' | curl -isS http://localhost:8000/texts --json @-; echo
//! done
//! ```

use axum::{Json, Router, routing::post};
use examples::language::{Input, Model, Output};
use limit_runtime::{client_ip, rate_limit};
use std::{error::Error, sync::LazyLock};

static LIGHT: LazyLock<Model> = LazyLock::new(|| Model::train(1));
static HEAVY: LazyLock<Model> = LazyLock::new(|| Model::train(3));

#[rate_limit("100/minute", key = client_ip)]
async fn light(Json(input): Json<Input>) -> Json<Output> {
    Json(LIGHT.predict(&input.text))
}

#[rate_limit("10/minute", key = client_ip)]
async fn heavy(Json(input): Json<Input>) -> Json<Output> {
    Json(HEAVY.predict(&input.text))
}

#[rate_limit("2 per 300 seconds", key = client_ip)]
async fn batch(Json(texts): Json<Vec<String>>) -> Json<Vec<Output>> {
    Json(predict_all(&texts))
}

// The cost is an expression over the handler's own arguments.
#[rate_limit("50/minute", key = client_ip, cost = inputs.len())]
async fn texts(Json(inputs): Json<Vec<String>>) -> Json<Vec<Output>> {
    Json(predict_all(&inputs))
}

fn predict_all(texts: &[String]) -> Vec<Output> {
    texts.iter().map(|text| HEAVY.predict(text)).collect()
}

fn app() -> Router {
    Router::new()
        .route("/light", post(light))
        .route("/heavy", post(heavy))
        .route("/batch", post(batch))
        .route("/texts", post(texts))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("models.rs")).await
}
