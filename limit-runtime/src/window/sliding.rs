//! The sliding window counter: the window before the present one counts in proportion to how much
//! of it lies within the last T. After Cloudflare's counters of the same name.
//!
//! It takes the hits of the earlier window to be spread evenly. Where all N came at its end, an
//! interval of length T that begins there admits up to N more as the earlier window fades: at worst
//! 2 N.
//!
//! Windows follow each other from the first hit on, so that not all keys turn over at once.

use super::{
    arithmetic::{MAX_USED, after, mul_div_down, mul_div_up, until, window_micros},
    window_usage::WindowUsage,
};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining},
};
use limit_core::Limit;

/// What one key has consumed in its present window and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sliding {
    /// When the present window began.
    pub(crate) start: Ticks,
    /// What was consumed in the window before.
    pub(crate) previous: u64,
    /// What was consumed in the present window.
    pub(crate) current: u64,
}

impl Sliding {
    /// How `limit` stands for a request of `cost` now, before anything is recorded.
    pub(crate) fn assess(&self, now: Ticks, limit: Limit, cost: u64) -> Outcome {
        let window = window_micros(limit);
        let state = self.turned(now, window);
        let usage = WindowUsage {
            used: state.estimate(now, window),
            capacity: limit.count(),
            reset_after: until(now, state.faded_at(window)),
        };
        usage.outcome(limit, cost, |target| {
            until(now, state.falls_to(target, window))
        })
    }

    /// Records a request of `cost`, at least 1, if it fits.
    #[inline]
    pub(crate) fn consume(&mut self, now: Ticks, limit: Limit, cost: u64) -> Option<Remaining> {
        let window = window_micros(limit);
        let turned = self.turned(now, window);
        let used = turned.estimate(now, window);
        let remaining = limit.count().get().checked_sub(used)?.checked_sub(cost)?;
        *self = Self {
            // What fits is below the count.
            current: turned.current.saturating_add(cost),
            ..turned
        };
        Some(Remaining {
            remaining,
            reset_after: until(now, self.faded_at(window)),
            // No more is used than fits, so that one unit less leaves more.
            next_after: until(now, self.falls_to(used + cost - 1, window)),
        })
    }

    /// Records a request of `cost` now.
    pub(crate) fn record(&mut self, now: Ticks, limit: Limit, cost: u64) {
        if cost == 0 {
            return;
        }
        *self = self.turned(now, window_micros(limit));
        self.current = self.current.saturating_add(cost).min(MAX_USED);
    }

    /// Gives back up to `cost` units that were recorded at `at`.
    pub(crate) fn refund(&mut self, at: Ticks, limit: Limit, cost: u64) {
        if at >= self.start {
            self.current = self.current.saturating_sub(cost);
        } else if after(at, window_micros(limit)) >= self.start {
            self.previous = self.previous.saturating_sub(cost);
        }
    }

    /// When nothing of this counts any more.
    pub(crate) fn fresh_at(&self, limit: Limit) -> Ticks {
        self.faded_at(window_micros(limit))
    }

    /// The same counts, seen from the window that `now` lies in.
    fn turned(self, now: Ticks, window: u64) -> Self {
        if self.previous == 0 && self.current == 0 {
            return Self { start: now, ..self };
        }
        let age = now.as_micros().saturating_sub(self.start.as_micros());
        if age < window {
            self
        } else if age / 2 < window {
            let turned = Self {
                start: after(self.start, window),
                previous: self.current,
                current: 0,
            };
            // Nothing is left to fade: the next hit begins its own windows.
            if self.current == 0 {
                Self {
                    start: now,
                    ..turned
                }
            } else {
                turned
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

    /// The moment from which the estimate is `target` or less, which it is not yet.
    fn falls_to(&self, target: u64, window: u64) -> Ticks {
        match target.checked_sub(self.current) {
            Some(room) => after(self.start, fades_to(self.previous, room, window)),
            None => after(
                after(self.start, window),
                fades_to(self.current, target, window),
            ),
        }
    }
}

/// How far into the next window the `count` of a past one has faded to `room`.
fn fades_to(count: u64, room: u64, window: u64) -> u64 {
    if count <= room {
        return 0;
    }
    window - mul_div_down(room, window, count)
}
