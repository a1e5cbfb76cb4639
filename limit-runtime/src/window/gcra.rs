//! The generic cell rate algorithm: a bucket of `burst` units that drains at N per T.
//!
//! Worst case: N + burst in an interval of length T, a full bucket at its start and the units that
//! drain meanwhile.
//!
//! The state is the time at which the bucket will be empty, exact to a fraction of a microsecond
//! with the count as denominator, so rounding errors do not add up. The algorithm is the virtual
//! scheduling algorithm of ITU-T I.371, as in governor and redis-cell.

use super::{
    arithmetic::{after, until, window_micros},
    window_usage::WindowUsage,
};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining},
};
use limit_core::{Limit, MAX_COUNT};
use std::num::NonZeroU64;

/// The bucket of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gcra {
    /// The time at which the bucket will be empty, in whole microseconds.
    pub(crate) empty_at: Ticks,
    /// The fraction of a microsecond to add to it, in `count`-ths.
    pub(crate) fraction: u64,
    /// The count of the limit when the bucket was last written; zero if it never was.
    pub(crate) count: u64,
}

impl Gcra {
    /// The outcome for a request of `cost` at `now`, before anything is recorded.
    ///
    /// `capacity` is that of the bucket; see [`capacity`].
    pub(crate) fn assess(
        &self,
        now: Ticks,
        limit: Limit,
        capacity: NonZeroU64,
        cost: u64,
    ) -> Outcome {
        let window = window_micros(limit);
        let level = self.level(now);
        let usage = WindowUsage {
            used: div_up(level, window),
            capacity,
            reset_after: until(now, self.fresh_at()),
        };
        usage.outcome(limit, cost, |target| {
            let above = level.saturating_sub(u128::from(target) * u128::from(window));
            div_up(above, self.count)
        })
    }

    /// Records a request of `cost`, at least 1, if it is allowed.
    #[inline]
    pub(crate) fn consume(
        &mut self,
        now: Ticks,
        limit: Limit,
        capacity: NonZeroU64,
        cost: u64,
    ) -> Option<Remaining> {
        let window = window_micros(limit);
        let level = self.level(now) + u128::from(cost) * u128::from(window);
        let capacity = capacity.get();
        if level > u128::from(capacity) * u128::from(window) {
            return None;
        }
        self.fill(now, limit.count().get(), level);
        let used = div_up(level, window);
        // One unit more remains once the bucket has drained to the other units.
        let others = u128::from(used.saturating_sub(1)) * u128::from(window);
        Some(Remaining {
            remaining: capacity.saturating_sub(used),
            reset_after: until(now, self.fresh_at()),
            next_after: div_up(level - others, self.count),
        })
    }

    /// Records a request of `cost` at `now`.
    pub(crate) fn record(&mut self, now: Ticks, limit: Limit, cost: u64) {
        if cost == 0 {
            return;
        }
        let level = self.level(now) + u128::from(cost) * u128::from(window_micros(limit));
        self.fill(now, limit.count().get(), level);
    }

    /// Refunds what remains of `cost` units that were recorded at `at`. The bucket does not know in
    /// which order its units drain, so the refunded ones are assumed to have drained first. The
    /// other units drain as before.
    pub(crate) fn refund(&mut self, now: Ticks, at: Ticks, limit: Limit, cost: u64) {
        let drained = now.as_micros().saturating_sub(at.as_micros());
        let units = (u128::from(cost) * u128::from(window_micros(limit)))
            .saturating_sub(u128::from(drained) * u128::from(limit.count().get()));
        let level = self.level(now).saturating_sub(units);
        self.fill(now, self.count.max(1), level);
    }

    /// The bucket with at most its capacity.
    pub(crate) fn capped(mut self, now: Ticks, limit: Limit, capacity: NonZeroU64) -> Self {
        let full = u128::from(capacity.get()) * u128::from(window_micros(limit));
        if self.level(now) > full {
            self.fill(now, limit.count().get(), full);
        }
        self
    }

    /// The time from which nothing counts any more.
    pub(crate) fn fresh_at(&self) -> Ticks {
        after(self.empty_at, u64::from(self.fraction > 0))
    }

    /// The level of the bucket: a unit of cost adds one window (in microseconds), and each
    /// microsecond drains `count`. So a changed count keeps the level, and drains it at the new
    /// rate once something is recorded.
    fn level(&self, now: Ticks) -> u128 {
        let Some(ahead) = self.empty_at.as_micros().checked_sub(now.as_micros()) else {
            return 0;
        };
        u128::from(ahead) * u128::from(self.count) + u128::from(self.fraction)
    }

    fn fill(&mut self, now: Ticks, count: u64, level: u128) {
        let (ahead, fraction) = match u64::try_from(level) {
            Ok(level) => (level / count, level % count),
            Err(_) => (
                to_u64(level / u128::from(count)),
                to_u64(level % u128::from(count)),
            ),
        };
        *self = Self {
            empty_at: after(now, ahead),
            fraction,
            count,
        };
    }
}

/// The longest wait in microseconds (71 years). Every store can represent it.
const MAX_WAIT: u64 = 1 << 51;

/// The capacity of the bucket: the burst, but at most what drains within [`MAX_WAIT`], and at most
/// the largest count.
#[inline(never)]
pub(super) fn capacity(limit: Limit, burst: NonZeroU64) -> NonZeroU64 {
    let burst = match NonZeroU64::new(MAX_COUNT) {
        Some(max) => burst.min(max),
        None => burst,
    };
    let (count, window) = (u128::from(limit.count().get()), window_micros(limit));
    let drains = u128::from(MAX_WAIT) * count;
    if u128::from(burst.get()) * u128::from(window) <= drains {
        burst
    } else {
        // The longest window is a seventh of `MAX_WAIT`, so this is never zero.
        let drains = to_u64(drains / u128::from(window.max(1)));
        NonZeroU64::new(drains).unwrap_or(NonZeroU64::MIN)
    }
}

fn to_u64(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Division, rounded up. Nearly always 64 bits suffice, which is several times faster.
fn div_up(level: u128, by: u64) -> u64 {
    match u64::try_from(level) {
        Ok(level) => level.div_ceil(by.max(1)),
        Err(_) => to_u64(level.div_ceil(u128::from(by.max(1)))),
    }
}
