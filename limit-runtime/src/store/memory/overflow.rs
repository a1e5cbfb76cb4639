//! Shared budgets, for new keys when the store is full.
//!
//! Existing budgets are not evicted, so a client cannot reset its budget with a flood of keys. A
//! new key uses one of a few shared budgets of its scope, which is stricter than a budget of its
//! own. When there is room again, the key's own budget begins with the counts of its shared budget.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The number of shared budgets of a scope.
pub(super) const SHARED: u64 = 64;

#[derive(Default)]
pub(super) struct Overflow {
    /// The clock's millisecond at which all shared budgets have expired.
    until: AtomicU64,
    count: AtomicU64,
    warned: AtomicBool,
}

impl Overflow {
    /// Whether a new key may have counts in a shared budget.
    pub(super) fn is_remembered(&self, reading: u64) -> bool {
        reading < self.until.load(Ordering::Relaxed)
    }

    /// A shared budget counts until this millisecond of the clock.
    pub(super) fn remember(&self, until: u64) {
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    /// Counts a check that used a shared budget.
    pub(super) fn happened(&self, max_keys: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                max_keys,
                "the limiter's memory is full of keys that count: new keys share budgets; raise `max_keys`"
            );
        }
    }

    /// Ends sharing after all budgets were removed.
    pub(super) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
