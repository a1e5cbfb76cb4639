//! The Redis store against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod redis {
    mod guard;
    mod oracle;
    mod proof;
    mod rejections;
    mod scenarios;
    mod soak;
    mod topologies;
}
