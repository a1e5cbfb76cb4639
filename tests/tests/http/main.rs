//! Handlers through a real `Router`, on a test clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod answers;
mod app;
mod client_ip;
mod grpc;
mod handles;
mod identity;
mod layer_exceptions;
mod layer_options;
mod layers;
mod options;
mod peer;
mod refusals;
mod rejection_types;
mod rejections;
mod resets;
mod scenarios;
mod waiting;
