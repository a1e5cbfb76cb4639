//! The examples, run as programs and called over real sockets.

mod api;
mod inference_api;
mod jobs;
mod models;
mod shared;
mod tiers;
mod tokens;
mod warm_up;
mod websocket;
