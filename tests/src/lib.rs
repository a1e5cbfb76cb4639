//! What this package's targets have in common.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

pub mod growth;
pub mod oracle;
pub mod process;
pub mod refunds;
pub mod resets;
pub mod scenarios;
pub mod servers;
pub mod strict_client;
