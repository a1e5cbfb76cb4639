//! The sliding window counter: the previous window counts in proportion to its overlap with the
//! last T. The algorithm is that of Cloudflare's counters of this name.
//!
//! It assumes that the hits of the previous window were spread evenly. Worst case: 2 N in an
//! interval of length T, if all N hits of the previous window came at its end.
//!
//! Windows start at the first hit of a key, so not all keys change windows at once.

use super::{
    arithmetic::{MAX_USED, after, mul_div_down, mul_div_up, until, window_micros},
    window_usage::WindowUsage,
};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining},
};
use limit_core::Limit;

/// The units that one key has consumed in its current and its previous window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sliding {
    /// The start of the current window.
    pub(crate) start: Ticks,
    /// The units consumed in the previous window.
    pub(crate) previous: u64,
    /// The units consumed in the current window.
    pub(crate) current: u64,
}

impl Sliding {
    /// The outcome for a request of `cost` at `now`, before anything is recorded.
    pub(crate) fn assess(&self, now: Ticks, limit: Limit, cost: u64) -> Outcome {
        let window = window_micros(limit);
        let state = self.advanced(now, window);
        let usage = WindowUsage {
            used: state.estimate(now, window),
            capacity: limit.count(),
            reset_after: until(now, state.faded_at(window)),
        };
        usage.outcome(limit, cost, |target| {
            until(now, state.time_until_at_most(target, window))
        })
    }

    /// Records a request of `cost`, at least 1, if it is allowed.
    #[inline]
    pub(crate) fn consume(&mut self, now: Ticks, limit: Limit, cost: u64) -> Option<Remaining> {
        let window = window_micros(limit);
        let advanced = self.advanced(now, window);
        let used = advanced.estimate(now, window);
        let remaining = limit.count().get().checked_sub(used)?.checked_sub(cost)?;
        *self = Self {
            // Cannot exceed the count.
            current: advanced.current.saturating_add(cost),
            ..advanced
        };
        Some(Remaining {
            remaining,
            reset_after: until(now, self.faded_at(window)),
            // `used` is within the count, so one unit less means one more remaining.
            next_after: until(now, self.time_until_at_most(used + cost - 1, window)),
        })
    }

    /// Records a request of `cost` at `now`.
    pub(crate) fn record(&mut self, now: Ticks, limit: Limit, cost: u64) {
        if cost == 0 {
            return;
        }
        *self = self.advanced(now, window_micros(limit));
        self.current = self.current.saturating_add(cost).min(MAX_USED);
    }

    /// Refunds up to `cost` units that were recorded at `at`.
    pub(crate) fn refund(&mut self, at: Ticks, limit: Limit, cost: u64) {
        if at >= self.start {
            self.current = self.current.saturating_sub(cost);
        } else if after(at, window_micros(limit)) >= self.start {
            self.previous = self.previous.saturating_sub(cost);
        }
    }

    /// The time from which nothing counts any more.
    pub(crate) fn fresh_at(&self, limit: Limit) -> Ticks {
        self.faded_at(window_micros(limit))
    }

    /// The counters advanced to the window that contains `now`.
    fn advanced(self, now: Ticks, window: u64) -> Self {
        if self.previous == 0 && self.current == 0 {
            return Self { start: now, ..self };
        }
        let age = now.as_micros().saturating_sub(self.start.as_micros());
        if age < window {
            self
        } else if age / 2 < window {
            let advanced = Self {
                start: after(self.start, window),
                previous: self.current,
                current: 0,
            };
            // Nothing fades any more: the next hit starts a window.
            if self.current == 0 {
                Self {
                    start: now,
                    ..advanced
                }
            } else {
                advanced
            }
        } else {
            Self {
                start: now,
                previous: 0,
                current: 0,
            }
        }
    }

    fn estimate(&self, now: Ticks, window: u64) -> u64 {
        let elapsed = now.as_micros().saturating_sub(self.start.as_micros());
        let faded = mul_div_up(self.previous, window.saturating_sub(elapsed), window);
        faded + self.current
    }

    fn faded_at(&self, window: u64) -> Ticks {
        if self.current > 0 {
            after(after(self.start, window), window)
        } else if self.previous > 0 {
            after(self.start, window)
        } else {
            Ticks::default()
        }
    }

    /// The time from which the estimate is at most `target`. It must be more now.
    fn time_until_at_most(&self, target: u64, window: u64) -> Ticks {
        match target.checked_sub(self.current) {
            Some(room) => after(self.start, fades_to(self.previous, room, window)),
            None => after(
                after(self.start, window),
                fades_to(self.current, target, window),
            ),
        }
    }
}

/// The time after the start of a window at which the `count` of the previous one has faded to
/// `room`.
fn fades_to(count: u64, room: u64, window: u64) -> u64 {
    if count <= room {
        return 0;
    }
    window - mul_div_down(room, window, count)
}
