//! Messages on a WebSocket are limited one by one, with `limiter.check(…)`.
//!
//! * `GET /ws/{user}`: receives texts and answers each with its language as JSON. 10 messages a
//!   minute for each user, over all sockets of the user. The answer to a message over the limit is
//!   `{"error":"rate_limit_exceeded","retry_after_ms":…}`, and the socket stays open. An address
//!   opens at most 30 sockets a minute
//!
//! `cargo run --example websocket --features websocket`, then try (`PORT` chooses another port):
//!
//! ```sh
//! (for i in $(seq 11); do echo 'wir sind frei'; done; sleep 1) |
//!     websocat ws://localhost:8000/ws/ann
//! ```

use axum::{
    Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::get,
};
use examples::language::Model;
use limit_runtime::{Limiter, Limits, client_ip, limits, rate_limit};
use serde_json::{Value, json};
use std::{error::Error, sync::LazyLock};

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::train(3));

const MESSAGES: Limits = limits!("10/minute");

// A real service takes the user from a session: any client can request any path.
#[rate_limit("30/minute", key = client_ip)]
async fn connect(
    State(limiter): State<Limiter>,
    Path(user): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(|socket| talk(socket, limiter, user))
}

async fn talk(mut socket: WebSocket, limiter: Limiter, user: String) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(text) = message {
            let answer = answer(&limiter, &user, &text).await;
            if socket.send(answer.to_string().into()).await.is_err() {
                return;
            }
        }
    }
}

async fn answer(limiter: &Limiter, user: &str, text: &str) -> Value {
    let decision = match limiter.check(&MESSAGES, user).scope("messages").await {
        Ok(decision) => decision,
        Err(error) => return json!({ "error": "unavailable", "message": error.to_string() }),
    };
    if decision.is_allowed() {
        return json!(MODEL.predict(text));
    }
    // Rounded up: a client that waits this long is admitted.
    let wait = decision.retry_after().unwrap_or_default();
    let millis = wait.as_micros().div_ceil(1_000);
    json!({ "error": "rate_limit_exceeded", "retry_after_ms": millis })
}

fn app() -> Router {
    let limiter = Limiter::new();
    Router::new()
        .route("/ws/{user}", get(connect))
        .layer(limiter.layer())
        .with_state(limiter)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    examples::serve(app(), include_str!("websocket.rs")).await
}
