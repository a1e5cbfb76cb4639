//! The examples, run as programs and called over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod api;
mod chat;
mod distributed;
mod gateway;
mod inference_api;
mod jobs;
mod login;
mod models;
mod monitoring;
mod python;
mod shared;
mod tiers;
mod tokens;
mod warm_up;
mod websocket;
