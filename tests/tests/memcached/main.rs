//! The memcached store against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod clocks;
mod late_charges;
mod oracle;
mod outages;
mod proof;
mod resets;
mod scenarios;
mod several_servers;
mod soak;
mod unsuitable;
