//! What the tests and benchmarks of this workspace share.
//!
//! The random generator and the model of a log need only `limit-core`, so that the unit tests of
//! `limit-runtime` can use them too. Everything that calls `limit-runtime` needs the feature
//! `runtime`: unit tests are compiled with a second copy of that crate, whose types are others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "these are tests"
)]

pub mod models;
pub mod random;

#[cfg(feature = "runtime")]
pub mod check_only;
#[cfg(feature = "runtime")]
pub mod log;
#[cfg(feature = "runtime")]
pub mod memcached_server;
#[cfg(feature = "runtime")]
pub mod next_after;
#[cfg(feature = "runtime")]
pub mod oracle;
#[cfg(feature = "runtime")]
pub mod process;
#[cfg(feature = "runtime")]
pub mod proxy;
#[cfg(feature = "runtime")]
pub mod refunds;
#[cfg(feature = "runtime")]
pub mod remote;
#[cfg(feature = "runtime")]
pub mod requests;
#[cfg(feature = "runtime")]
pub mod resets;
#[cfg(feature = "runtime")]
pub mod scenarios;
#[cfg(feature = "runtime")]
pub mod server_process;
#[cfg(feature = "runtime")]
pub mod servers;
#[cfg(feature = "runtime")]
pub mod strict_client;
