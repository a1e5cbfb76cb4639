//! Resilience around any remote store: a slow or failing store does not take the application down.
//!
//! - One deadline for the whole call. A check that misses it is not repeated, because the store may
//!   have counted it.
//! - A circuit breaker, which stops calls to a store that keeps failing. A background task probes
//!   the store until it answers again, so that no request has to wait for it.
//! - A fallback for checks that the store does not answer. For `Fallback::Local`, local counts are
//!   kept up to date while the store answers.
//! - A cache of denials, which repeats a denial without a call to the store while it certainly
//!   holds.
//! - Leases of permits, which a background task extends and releases.
//! - Forced charges and refunds that the store does not take are kept, and sent until it does. A
//!   check of a request that has ended is given back.

mod answer;
mod background;
mod breaker;
mod budget_hash;
mod call;
mod consume;
mod denial_cache;
mod force;
mod guard;
mod health;
mod late_charges;
mod lease_registry;
mod leases;
mod local_counts;
mod outage_log;
mod owned_charge;
mod probation;
mod prober;
mod refund;
mod send;
mod settlement;
mod settler;
mod shared;

pub use self::health::{Health, StoreHealth};
#[cfg(any(feature = "memcached", feature = "redis"))]
pub(crate) use self::shared::DEADLINE;
pub(crate) use self::{
    guard::Guard,
    leases::{Lease, LeaseAnswer},
    shared::Settings,
};
