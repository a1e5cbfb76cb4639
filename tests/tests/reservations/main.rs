//! Reservations: what a request sets aside is settled at what it uses, on every way out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::must_use_candidate,
    missing_debug_implementations,
    unreachable_pub,
    reason = "these are tests"
)]

mod dropped;
mod excess;
mod handlers;
mod headers;
mod killed;
mod late_rules;
mod meters;
mod remote;
mod settled;
mod slow_stores;
mod sockets;
mod waiting;
