//! `#[rate_limit]` on handlers of every shape that Axum takes, in a `Router`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod shapes;
