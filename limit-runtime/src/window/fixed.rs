//! The fixed window: it starts at the first hit, and its counter is reset when it ends.
//!
//! Worst case: 2 N in an interval of length T. One hit starts a window, the other N − 1 come just
//! before its end, and N more just after.

use super::{
    arithmetic::{MAX_USED, after, until, window_micros},
    window_usage::WindowUsage,
};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining},
};
use limit_core::Limit;

/// The units that one key has consumed in its current window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// The start of the window.
    pub(crate) start: Ticks,
    /// The units consumed since; zero if there is no window.
    pub(crate) used: u64,
}

impl Fixed {
    /// The outcome for a request of `cost` at `now`, before anything is recorded.
    pub(crate) fn assess(&self, now: Ticks, limit: Limit, cost: u64) -> Outcome {
        let used = if self.has_ended(now, limit) {
            0
        } else {
            self.used
        };
        let ends_in = match used {
            0 => 0,
            _ => until(now, self.fresh_at(limit)),
        };
        let usage = WindowUsage {
            used,
            capacity: limit.count(),
            reset_after: ends_in,
        };
        usage.outcome(limit, cost, |_| ends_in)
    }

    /// Records a request of `cost`, at least 1, if it is allowed.
    #[inline]
    pub(crate) fn consume(&mut self, now: Ticks, limit: Limit, cost: u64) -> Option<Remaining> {
        let used = if self.has_ended(now, limit) {
            0
        } else {
            self.used
        };
        let remaining = limit.count().get().checked_sub(used)?.checked_sub(cost)?;
        self.record(now, limit, cost);
        let ends_in = until(now, self.fresh_at(limit));
        Some(Remaining {
            remaining,
            reset_after: ends_in,
            next_after: ends_in,
        })
    }

    /// Records a request of `cost` at `now`.
    pub(crate) fn record(&mut self, now: Ticks, limit: Limit, cost: u64) {
        if cost == 0 {
            return;
        }
        if self.used == 0 || self.has_ended(now, limit) {
            *self = Self {
                start: now,
                used: 0,
            };
        }
        self.used = self.used.saturating_add(cost).min(MAX_USED);
    }

    /// Refunds up to `cost` units that were recorded at `at`.
    pub(crate) fn refund(&mut self, at: Ticks, cost: u64) {
        if at >= self.start {
            self.used = self.used.saturating_sub(cost);
        }
    }

    /// The time from which nothing counts any more.
    pub(crate) fn fresh_at(&self, limit: Limit) -> Ticks {
        after(self.start, window_micros(limit))
    }

    fn has_ended(&self, now: Ticks, limit: Limit) -> bool {
        now >= self.fresh_at(limit)
    }
}
