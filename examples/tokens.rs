//! The API of a language model: limits on requests and on tokens per minute, where the number of
//! tokens is known only after the response.
//!
//! * `POST /complete` with `x-api-key`: 20 requests and 200 tokens a minute for each key. A request
//!   reserves the tokens of its prompt and `max_tokens` (16 by default), and is settled when the
//!   model is done: unused tokens are given back, further tokens are charged. A refused request
//!   consumes neither requests nor tokens
//!
//! The model repeats the prompt, and a word is a token.
//!
//! `cargo run --example tokens`, then try (`PORT` chooses another port):
//!
//! ```sh
//! for tokens in 100 190 195; do
//!     curl -isS http://localhost:8000/complete -H 'x-api-key: k' \
//!         --json '{"prompt": "to be or not to be", "max_tokens": '$tokens'}'; echo
//! done
//! ```

use axum::{Json, Router, routing::post};
use limit_runtime::{HeaderStyle, Limiter, Reservation, header, rate_limit};
use serde::{Deserialize, Serialize};
use std::error::Error;

#[derive(Deserialize)]
struct Request {
    prompt: String,
    max_tokens: Option<u64>,
}

#[derive(Serialize)]
struct Completion {
    text: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Request {
    /// The reserved tokens: the most that the request may use, or an estimate.
    fn estimate(&self) -> u64 {
        let completion = self.max_tokens.unwrap_or(16);
        model::count_tokens(&self.prompt).saturating_add(completion)
    }
}

// A real service checks the API key first: see the example `tiers`.
#[rate_limit("20 requests/minute", name = "requests", key = header("x-api-key"))]
#[rate_limit("200 tokens/minute", name = "tokens", key = header("x-api-key"), cost = request.estimate())]
async fn complete(reservation: Reservation, Json(request): Json<Request>) -> Json<Completion> {
    let text = model::complete(&request.prompt, request.max_tokens);
    let prompt_tokens = model::count_tokens(&request.prompt);
    let completion_tokens = model::count_tokens(&text);
    reservation.commit(prompt_tokens + completion_tokens);
    Json(Completion {
        text,
        usage: Usage {
            prompt_tokens,
            completion_tokens,
        },
    })
}

/// An echo.
mod model {
    pub(super) fn complete(prompt: &str, max_tokens: Option<u64>) -> String {
        let most = max_tokens.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        let words: Vec<_> = prompt.split_whitespace().take(most).collect();
        words.join(" ")
    }

    pub(super) fn count_tokens(text: &str) -> u64 {
        u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX)
    }
}

fn app() -> Router {
    let limiter = Limiter::builder().header_style(HeaderStyle::OpenAi).build();
    Router::new()
        .route("/complete", post(complete))
        .layer(limiter.layer())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("tokens.rs")).await
}
