//! Reads the usage of a model out of responses in the formats of model APIs, for
//! [`Reservation::meter_response`].
//!
//! A function of this module looks at the bytes of a response as they pass, whether the response is
//! a stream of server-sent events, one JSON document or one document in each line, and however it
//! is cut into frames. It keeps some bytes of state, and no part of the response. The function of
//! one request must not be used for another one.
//!
//! A response that is compressed is not read: ask the upstream for `accept-encoding: identity`.
//!
//! ```
//! use axum::{body::Body, http::Response};
//! use limit_runtime::{Reservation, rate_limit, usage};
//!
//! # async fn send_upstream(prompt: String) -> Response<Body> { unimplemented!() }
//! #[rate_limit("100_000/minute", cost = 2_000)]
//! async fn gateway(reservation: Reservation, prompt: String) -> Response<Body> {
//!     let response = send_upstream(prompt).await;
//!     reservation.meter_response(response, usage::anthropic())
//! }
//! ```

// Finds the objects with usage in a stream of JSON.
mod scanner;

use self::scanner::{Place, Scanner, Tokens};
use crate::Reservation;
use axum::body::Bytes;

/// Reads the usage of OpenAI's APIs and of compatible ones: `usage` with `total_tokens`, or with
/// tokens of the prompt and of the completion, of chat completions, completions, embeddings and
/// responses.
///
/// A stream has it only if the request says `"stream_options": {"include_usage": true}`. Of an
/// upstream that sends it with each event, the last one counts. A stream that ends before its usage
/// is unknown to the reservation.
///
/// ```
/// # use axum::{body::Body, http::Response};
/// # use limit_runtime::{Reservation, usage};
/// # fn gateway(reservation: Reservation, upstream: Response<Body>) -> Response<Body> {
/// reservation.meter_response(upstream, usage::openai())
/// # }
/// ```
pub fn openai() -> impl FnMut(&Bytes, &Reservation) + Send + 'static {
    let mut scanner = Scanner::default();
    move |data, reservation| {
        scanner.scan(data, |_, tokens| {
            let parts = tokens.input().saturating_add(tokens.output());
            if let Some(total) = tokens.total.or_else(|| tokens.is_known().then_some(parts)) {
                reservation.used(total);
            }
        });
    }
}

/// Reads the usage of Anthropic's Messages API: tokens of the input, also those that are written to
/// a cache or read from it, and of the output.
///
/// The usage in `message_start` is a lower bound: a stream that ends before its last usage keeps
/// what was reserved for it.
///
/// ```
/// # use axum::{body::Body, http::Response};
/// # use limit_runtime::{Reservation, usage};
/// # fn gateway(reservation: Reservation, upstream: Response<Body>) -> Response<Body> {
/// reservation.meter_response(upstream, usage::anthropic())
/// # }
/// ```
pub fn anthropic() -> impl FnMut(&Bytes, &Reservation) + Send + 'static {
    let mut scanner = Scanner::default();
    let mut latest = Tokens::default();
    move |data, reservation| {
        scanner.scan(data, |place, tokens| {
            // The last usage of a stream has all of these, or the output alone.
            latest.update(tokens);
            let used = latest.input().saturating_add(latest.output());
            match place {
                Place::InMessage => reservation.at_least(used),
                Place::Top => reservation.used(used),
            }
        });
    }
}
