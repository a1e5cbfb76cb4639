//! The Redis store against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod custom_store;
mod ids;
mod isolation;
mod lean;
mod oracle;
mod outages;
mod proof;
mod rejections;
mod repeated_denials;
mod scenarios;
mod soak;
mod topologies;
