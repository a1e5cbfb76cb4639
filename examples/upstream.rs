//! The model server behind the example `gateway`, without limits.
//!
//! * `POST /v1/chat/completions`: streams in OpenAI's shape, with the usage in the last event
//! * `POST /v1/messages`: streams in Anthropic's shape, with the usage in the first and last events
//!
//! `cargo run --example upstream --features chat` (`PORT` chooses another port than 8000).

use axum::{
    Json, Router,
    response::{Sse, sse::Event},
    routing::post,
};
use examples::chat::ChatRequest;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

async fn chat(
    Json(mut request): Json<ChatRequest>,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    request.stream_options.include_usage = true;
    let (asked, ended) = (request.clone(), request.clone());
    events(
        request.answer(),
        vec![],
        move |token| Event::default().json_data(asked.chunk(token)),
        move |tokens| {
            let events = ended.last_chunks(tokens).into_iter();
            let events = events.map(|event| Event::default().json_data(event));
            events
                .chain([Ok(Event::default().data("[DONE]"))])
                .collect()
        },
    )
}

async fn messages(
    Json(request): Json<ChatRequest>,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let prompt = request.prompt_tokens();
    let started = json!({ "type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [],
        "model": request.model.name(),
        "usage": { "input_tokens": prompt, "output_tokens": 1 },
    } });
    events(
        request.answer(),
        vec![
            named(&started),
            named(&json!({
                "type": "content_block_start", "index": 0,
                "content_block": { "type": "text", "text": "" },
            })),
        ],
        |token| {
            named(&json!({
                "type": "content_block_delta", "index": 0,
                "delta": { "type": "text_delta", "text": token },
            }))
        },
        |tokens| {
            let ended = json!({
                "type": "message_delta", "delta": { "stop_reason": "end_turn" },
                "usage": { "output_tokens": tokens },
            });
            vec![
                named(&json!({ "type": "content_block_stop", "index": 0 })),
                named(&ended),
                named(&json!({ "type": "message_stop" })),
            ]
        },
    )
}

/// An event that has the name of its type.
fn named(data: &Value) -> Result<Event, axum::Error> {
    let name = data["type"].as_str().unwrap_or_default();
    Event::default().event(name).json_data(data)
}

type Sent = Vec<Result<Event, axum::Error>>;

/// The events before the answer, one for each token, and those after it, for the number of tokens.
fn events(
    answer: impl Stream<Item = String> + Send + 'static,
    first: Sent,
    token: impl Fn(&str) -> Result<Event, axum::Error> + Send + 'static,
    last: impl FnOnce(u64) -> Sent + Send + 'static,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let tokens = answer.map(move |text| {
        count.fetch_add(1, Ordering::Relaxed);
        token(&text)
    });
    let last = stream::once(async move { last(sent.load(Ordering::Relaxed)) });
    let last = last.flat_map(stream::iter);
    Sse::new(stream::iter(first).chain(tokens).chain(last))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/messages", post(messages));
    examples::serve(app, include_str!("upstream.rs")).await
}
