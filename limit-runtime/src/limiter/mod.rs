//! The limiter: a store with the settings of checks and responses.
//!
//! | File | holds |
//! |---|---|
//! | `limiter.rs` | [`Limiter`], checks of several charges, and access to its settings |
//! | `check.rs` | [`Check`]: a check of one key, built step by step |
//! | `admin.rs` | refunds, resets, health and usage |
//! | `settlement.rs` | refunds and forced charges that no request waits for; shutdown |
//! | `observe.rs` | what was counted, dry runs |
//! | `gauges.rs` | gauges of the feature `metrics` |
//! | `builder/` | [`LimiterBuilder`]: the settings of a limiter |
//! | `remote.rs` | [`RemoteBuilder`]: the settings of a limiter with a remote store |
//! | `env/` | a limiter with settings from environment variables |
//! | `words.rs` | the words that settings are written as |
//! | `process_wide.rs` | the process-wide limiter |
//! | `wait_queue/` | queues of requests that wait for room in a budget |
//! | `permits/` | permits of concurrency limits, and the requests that wait for one |
//! | `drain.rs` | reads the unread bodies of refused requests |

mod admin;
mod builder;
mod check;
pub(crate) mod drain;
mod env;
#[cfg(feature = "metrics")]
mod gauges;
#[expect(
    clippy::module_inception,
    reason = "a file is named after its public type"
)]
mod limiter;
mod observe;
pub(crate) mod permits;
mod process_wide;
mod remote;
mod settlement;
pub(crate) mod wait_queue;
pub(crate) mod words;

pub use self::{
    builder::LimiterBuilder,
    check::{Check, CheckFuture},
    env::EnvError,
    limiter::Limiter,
    process_wide::InstallError,
    remote::RemoteBuilder,
};
