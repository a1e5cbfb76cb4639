//! The examples, run as programs and called over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod inference_api;
