//! What happens when there is no room for a new key: it shares a budget with others.
//!
//! The budgets of those that are held stay what they are, so nobody floods itself free. A new key
//! draws on one of a few budgets of its scope, which is stricter than one of its own. When there is room
//! again, a new key begins with what its shared budget counted, so that it does not begin afresh.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many budgets of a scope new keys share.
pub(super) const SHARED: u64 = 64;

#[derive(Default)]
pub(super) struct Overflow {
    /// The clock's millisecond from which all shared budgets equal fresh ones.
    until: AtomicU64,
    count: AtomicU64,
    warned: AtomicBool,
}

impl Overflow {
    /// Whether a new key may have a history in a shared budget.
    pub(super) fn is_remembered(&self, reading: u64) -> bool {
        reading < self.until.load(Ordering::Relaxed)
    }

    /// A shared budget counts until this millisecond of the clock.
    pub(super) fn remember(&self, until: u64) {
        self.until.fetch_max(until, Ordering::Relaxed);
    }

    /// A check had to share a budget.
    pub(super) fn happened(&self, max_keys: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                max_keys,
                "the limiter's memory is full of keys that count: new keys share budgets; raise `max_keys`"
            );
        }
    }

    /// All budgets were dropped.
    pub(super) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
