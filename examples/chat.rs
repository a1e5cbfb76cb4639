//! A chat API in OpenAI's shape: limits on requests, on tokens, and on answers at a time.
//!
//! * `POST /v1/chat/completions` with `authorization: Bearer …`: for each key 60 requests a minute
//!   and two answers at a time, and for each model 2,000 tokens a minute. The model is in the body.
//!   A request reserves its prompt and `max_tokens` (64 by default). Each token counts when it is
//!   sent, and what was reserved and not used is given back when the answer ends, also if the
//!   client closes the stream in the middle
//!
//! The models `echo-small` and `echo-large` repeat the last message, and a word is a token.
//!
//! `cargo run --example chat --features chat`, then try (`PORT` chooses another port):
//!
//! ```sh
//! curl -isSN http://localhost:8000/v1/chat/completions -H 'authorization: Bearer k' --json '{
//!     "model": "echo-large", "messages": [{"role": "user", "content": "to be or not to be"}],
//!     "stream": true, "stream_options": {"include_usage": true}}'
//! ```
//!
//! or the `openai` client of Python with `base_url="http://localhost:8000/v1"`.

use axum::{
    Json, Router,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::post,
};
use examples::chat::ChatRequest;
use futures_util::{Stream, StreamExt, stream};
use limit_runtime::{HeaderStyle, Limiter, Reservation, bearer, rate_limit};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

// A real service checks the API key first: see the example `tiers`.
#[rate_limit("60 requests/minute", name = "requests", key = bearer)]
#[rate_limit(
    "2_000 tokens/minute",
    name = "tokens",
    key = bearer,
    scope = request.model.name(),
    cost = request.most_tokens()
)]
#[rate_limit(concurrency = 2, name = "streams", key = bearer)]
async fn chat(reservation: Reservation, Json(request): Json<ChatRequest>) -> Response {
    let prompt = request.prompt_tokens();
    // What is known so far. If the client leaves now, this is what it is charged.
    reservation.used(prompt);
    if request.stream {
        return stream_answer(reservation, request).into_response();
    }
    let tokens: Vec<_> = request.answer().collect().await;
    let count = tokens.len() as u64;
    reservation.commit(prompt + count);
    Json(request.completion(&tokens.concat(), count)).into_response()
}

/// The answer as server-sent events. The stream holds the reservation: it is settled when the
/// stream ends, or is dropped because the client has left.
fn stream_answer(
    reservation: Reservation,
    request: ChatRequest,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let tokens = reservation.meter(request.answer(), |_, reservation| reservation.add(1));
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let asked = request.clone();
    let chunks = tokens.map(move |token| {
        count.fetch_add(1, Ordering::Relaxed);
        Event::default().json_data(asked.chunk(&token))
    });
    let last = stream::once(async move { request.last_chunks(sent.load(Ordering::Relaxed)) });
    let last = last.flat_map(|events| {
        let events = events
            .into_iter()
            .map(|event| Event::default().json_data(event));
        let done = Ok(Event::default().data("[DONE]"));
        stream::iter(events.chain([done]).collect::<Vec<_>>())
    });
    Sse::new(chunks.chain(last)).keep_alive(KeepAlive::default())
}

fn app() -> Router {
    let limiter = Limiter::builder().header_style(HeaderStyle::OpenAi).build();
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .layer(limiter.layer())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("chat.rs")).await
}
