//! The Redis store against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod calls;
mod custom_store;
mod errors;
mod ids;
mod isolation;
mod late_charges;
mod lean;
mod oracle;
mod outages;
mod over_arguments;
mod permissions;
mod prefixes;
mod proof;
mod protocols;
mod reconnecting;
mod rejections;
mod repeated_denials;
mod resets;
mod scenarios;
mod secrets;
mod sentinel;
mod soak;
mod tls;
mod topologies;
