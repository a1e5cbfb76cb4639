//! A fifth of the limit until the model is warm, then all of it. No restart is needed, and what was
//! used still counts.
//!
//! * `POST /language`: 10 a minute for each client address while the model is cold (each request
//!   then trains its own model), 50 a minute once it is warm
//! * `POST /warm-up`: trains the model for all requests, and responds when it is done. A deployment
//!   calls it
//!
//! `cargo run --example warm_up`, then try (`PORT` chooses another port):
//!
//! ```sh
//! language() {
//!     curl -isS http://localhost:8000/language --json '{"text": "todos los días"}'; echo
//! }
//! for i in $(seq 11); do language; done
//! curl -isS -X POST http://localhost:8000/warm-up
//! for i in $(seq 41); do language; done
//! ```

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use examples::language::{Input, Model, Output};
use limit_runtime::{Limits, client_ip, limits, rate_limit};
use std::{
    error::Error,
    sync::{Arc, OnceLock},
};

/// Empty until it is warm.
type Shared = Arc<OnceLock<Model>>;

fn by_warmth(State(model): State<Shared>) -> Limits {
    match model.get() {
        Some(_) => limits!("50/minute"),
        None => limits!("10/minute"),
    }
}

#[rate_limit(by_warmth, key = client_ip)]
async fn language(State(model): State<Shared>, Json(input): Json<Input>) -> Json<Output> {
    Json(match model.get() {
        Some(model) => model.predict(&input.text),
        None => train().predict(&input.text),
    })
}

async fn warm_up(State(model): State<Shared>) -> StatusCode {
    let training = tokio::task::spawn_blocking(move || {
        model.get_or_init(train);
    });
    match training.await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn train() -> Model {
    Model::train(3)
}

fn app() -> Router {
    Router::new()
        .route("/language", post(language))
        .route("/warm-up", post(warm_up))
        .with_state(Shared::default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("warm_up.rs")).await
}
