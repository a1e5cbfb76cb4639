//! What happens to new keys when the store is full.
//!
//! A new key takes the place of an expired one, else that of the least used of a few that have used
//! at most half of each of their limits: a flood of invented keys evicts itself. Keys that have
//! used more, or were refused, are never evicted, so a client cannot reset its budget with a flood.
//! If all of a few have, the new key uses one of a few shared budgets of its scope: that of its
//! network or of a part of its hash. When there is room again, its own budget begins with what it
//! could itself have drawn from the shared one.

use crate::instruments::MemoryInstruments;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a limiter in memory does with a new key when [`max_keys`] or [`max_bytes`] is reached and
/// no expired key makes room.
///
/// Keys that were refused or have used more than half of one of their limits are never forgotten.
///
/// ```
/// use limit_runtime::{Limiter, WhenFull};
///
/// let limiter = Limiter::builder().max_keys(10_000).when_full(WhenFull::Share).build();
/// ```
///
/// [`max_keys`]: crate::LimiterBuilder::max_keys
/// [`max_bytes`]: crate::LimiterBuilder::max_bytes
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Forgets the least used of a few keys that have used at most half of each of their limits, so
    /// that such a key starts with an empty budget when it returns. If there is none, as
    /// [`Share`](Self::Share).
    #[default]
    ForgetLeastUsed,
    /// Lets new keys share a budget with others of their scope: with those of their network (/24
    /// for IPv4, /48 for IPv6) and of other networks with an equal hash, or, if the key is not an
    /// address, with a 64th of all keys. A shared budget is stricter than one for each key.
    Share,
}

/// Shared budgets and evictions of a store.
#[derive(Debug, Default)]
pub(super) struct SharedBudgets {
    /// The microsecond of the clock at which all shared budgets have expired.
    until: AtomicU64,
    shared: AtomicU64,
    evicted: AtomicU64,
    warned: AtomicBool,
    pub(super) instruments: MemoryInstruments,
}

impl SharedBudgets {
    /// Whether a new key may have counts in a shared budget.
    pub(super) fn are_remembered(&self, reading: u64) -> bool {
        reading < self.until.load(Ordering::Relaxed)
    }

    /// A shared budget counts until this microsecond of the clock.
    pub(super) fn remember(&self, until: u64) {
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    /// Counts a check that used a shared budget.
    pub(super) fn was_shared(&self, max_keys: usize) {
        self.shared.fetch_add(1, Ordering::Relaxed);
        self.instruments.shared();
        self.warn(max_keys, "new keys share budgets");
    }

    /// Counts a key that was forgotten although it still counted.
    pub(super) fn has_evicted(&self, max_keys: usize) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
        self.instruments.evicted();
        self.warn(max_keys, "the least used keys are forgotten for new ones");
    }

    fn warn(&self, max_keys: usize, effect: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                max_keys,
                "the limiter's memory is full of keys that count: {effect}; raise `max_keys` (or `max_bytes`)"
            );
        }
    }

    /// Ends sharing after all budgets were removed.
    pub(super) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    pub(super) fn shared(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}
