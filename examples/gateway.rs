//! A gateway before a model server: it limits the tokens of each API key, and learns from the
//! answer how many were used.
//!
//! * `POST /v1/chat/completions` in OpenAI's shape and `POST /v1/messages` in Anthropic's, with
//!   `authorization: Bearer …`: 2,000 tokens a minute for each key. `max_tokens` is reserved, and
//!   the usage in the answer is what counts. If a client leaves before that event, the reserved
//!   tokens stay charged: the model server does not say how many it has made
//!
//! `UPSTREAM` is the URL of the model server (default `http://127.0.0.1:8001`).
//!
//! In two terminals, then try:
//!
//! ```sh
//! PORT=8001 cargo run --example upstream --features chat
//! cargo run --example gateway --features gateway
//! curl -isSN http://localhost:8000/v1/messages -H 'authorization: Bearer k' --json '{
//!     "model": "echo-small", "messages": [{"role": "user", "content": "to be or not to be"}],
//!     "max_tokens": 100, "stream": true}'
//! ```

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
};
use limit_runtime::{Limiter, Reservation, bearer, rate_limit, usage};
use serde_json::{Value, json};
use std::{env, error::Error};

/// The model server.
#[derive(Clone)]
struct Upstream {
    url: String,
    client: reqwest::Client,
}

impl Upstream {
    /// The head of the answer, with the body still to come; 502 if the server does not answer.
    async fn send(
        &self,
        path: &Uri,
        request: &Value,
    ) -> Result<axum::http::Response<reqwest::Body>, StatusCode> {
        let url = format!("{}{}", self.url, path.path());
        match self.client.post(url).json(request).send().await {
            Ok(response) => Ok(response.into()),
            Err(error) => {
                tracing::warn!(%error, "the model server does not answer");
                Err(StatusCode::BAD_GATEWAY)
            }
        }
    }
}

// Both handlers use one budget. A real service checks the API key first: see the example `tiers`.
#[rate_limit("2_000 tokens/minute", key = bearer, scope = "tokens", cost = most_tokens(request))]
async fn chat(
    reservation: Reservation,
    State(upstream): State<Upstream>,
    path: Uri,
    Json(mut request): Json<Value>,
) -> Response {
    // Without this, a stream does not say how many tokens it has taken.
    if request["stream"] == true {
        request["stream_options"] = json!({ "include_usage": true });
    }
    match upstream.send(&path, &request).await {
        Ok(response) => reservation.meter_response(response, usage::openai()),
        Err(status) => status.into_response(),
    }
}

#[rate_limit("2_000 tokens/minute", key = bearer, scope = "tokens", cost = most_tokens(request))]
async fn messages(
    reservation: Reservation,
    State(upstream): State<Upstream>,
    path: Uri,
    Json(request): Json<Value>,
) -> Response {
    match upstream.send(&path, &request).await {
        Ok(response) => reservation.meter_response(response, usage::anthropic()),
        Err(status) => status.into_response(),
    }
}

/// An upper bound of the tokens of a request: no token of these models is shorter than a byte.
fn most_tokens(request: &Value) -> u64 {
    let prompt = request["messages"].to_string().len() as u64;
    let answer = request["max_tokens"].as_u64().unwrap_or(500);
    prompt.saturating_add(answer)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("UPSTREAM").unwrap_or_else(|_| "http://127.0.0.1:8001".to_owned());
    let upstream = Upstream {
        url,
        client: reqwest::Client::new(),
    };
    let limiter = Limiter::new();
    let app = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/messages", post(messages))
        .layer(limiter.layer())
        .with_state(upstream);
    examples::serve(app, include_str!("gateway.rs")).await
}
