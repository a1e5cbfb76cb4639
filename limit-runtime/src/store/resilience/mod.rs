//! Resilience around any remote store: a store that fails or hangs does not take the application down.
//!
//! - One deadline for the whole call. A check that misses it is not repeated, because the store may have
//!   counted it.
//! - A circuit breaker, which stops calls to a store that does not answer. A background task probes the
//!   store until it answers again, so no request has to.
//! - A fallback for requests that the store does not answer. For `Fallback::Local`, local counts are
//!   kept up to date while the store answers.
//! - A denial is repeated without asking the store for as long as it certainly holds.

mod breaker;
mod denials;
mod guard;
mod health;
mod local_counts;
mod prober;
mod shared;

pub use self::health::{Health, StoreHealth};
#[cfg(feature = "redis")]
pub(crate) use self::shared::DEADLINE;
pub(crate) use self::{guard::Guard, shared::Settings};
