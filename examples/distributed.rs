//! One limit for several machines: all processes that use the same store share it.
//!
//! * `GET /predict?text=…`: 10 a minute for each client address, over all processes. While the
//!   store is unreachable, each process continues with what it has counted itself
//! * `GET /invoice?text=…`: 10 a minute as well. While the store is unreachable, the response is
//!   503, because a wrong count is not acceptable here
//! * `GET /health`: the state of the store (`Down` after five failed calls)
//!
//! `redis-server &` (on port 6379, with nothing else in it), then
//! `cargo run --example distributed --features redis`, and in another terminal the same command
//! with `PORT=8001`. `STORE_URL` names another store: with `--features memcached`, for example,
//! `STORE_URL=memcached://127.0.0.1:11211`. Then try:
//!
//! ```sh
//! for port in 8000 8001 8000 8001 8000 8001 8000 8001 8000 8001 8000; do
//!     curl -isS "http://localhost:$port/predict?text=in+a+spirit"; echo
//! done
//! redis-cli shutdown nosave # the second process goes on with the five that it has counted
//! curl -isS "http://localhost:8001/predict?text=in+a+spirit"
//! curl -isS "http://localhost:8001/invoice?text=in+a+spirit"
//! curl -isS "http://localhost:8001/health"
//! ```

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use examples::language::{Input, Model, Output};
use limit_runtime::{Limiter, client_ip, rate_limit};
use std::{env, error::Error, sync::LazyLock};

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::train(3));

#[rate_limit("10/minute", key = client_ip)]
async fn predict(Query(input): Query<Input>) -> Json<Output> {
    Json(MODEL.predict(&input.text))
}

#[rate_limit("10/minute", key = client_ip, on_store_error = deny)]
async fn invoice(Query(input): Query<Input>) -> Json<Output> {
    Json(MODEL.predict(&input.text))
}

async fn health(State(limiter): State<Limiter>) -> String {
    format!("{:?}\n", limiter.health())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Before the limiter connects, which may log warnings about the store.
    tracing_subscriber::fmt().init();
    let url = env::var("STORE_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let limiter = Limiter::connect(&url).await?;
    let app = Router::new()
        .route("/predict", get(predict))
        .route("/invoice", get(invoice))
        .layer(limiter.layer())
        .route("/health", get(health))
        .with_state(limiter);
    examples::serve(app, include_str!("distributed.rs")).await
}
