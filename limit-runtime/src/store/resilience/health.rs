//! How a limiter's store is doing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How a limiter's store is doing; from [`Limiter::health`](crate::Limiter::health). Counts are since the limiter was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether it answers.
    pub store: StoreHealth,
    /// Calls that the store answered.
    pub answered: u64,
    /// Calls that it did not answer in time, or with an error.
    pub failed: u64,
    /// Checks that the fallback answered: those that failed, and those that did not ask while the store was out.
    pub fallbacks: u64,
    /// Denials that were repeated without asking the store again.
    pub repeated_denials: u64,
    /// How often the store was given up for out.
    pub outages: u64,
}

/// Whether a limiter's store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreHealth {
    /// This process's own memory: it always does.
    Memory,
    /// It is asked.
    Up,
    /// It is not asked, for so long already; a prober looks for its return.
    Down {
        /// How long.
        since: Duration,
    },
}

impl Health {
    pub(crate) fn of_memory() -> Self {
        Counters::default().health(StoreHealth::Memory)
    }
}

/// What happened, counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) fallbacks: AtomicU64,
    pub(super) repeated_denials: AtomicU64,
    pub(super) outages: AtomicU64,
}

impl Counters {
    pub(super) fn health(&self, store: StoreHealth) -> Health {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Health {
            store,
            answered: read(&self.answered),
            failed: read(&self.failed),
            fallbacks: read(&self.fallbacks),
            repeated_denials: read(&self.repeated_denials),
            outages: read(&self.outages),
        }
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
