//! The algorithms, as pure functions over plain state: no clock, lock, store or HTTP.
//!
//! Each file is one algorithm and says what it promises at worst. All times are [`Ticks`], all
//! arithmetic is in integers, and whatever has to be rounded is rounded against the client.

pub(crate) mod counter;
pub(crate) mod fixed;
pub(crate) mod gcra;
pub(crate) mod moving;
pub(crate) mod sliding;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "small random numbers")]
mod laws;

use crate::{
    clock::Ticks,
    decision::{Left, Outcome},
};
use limit_core::Limit;
use std::num::NonZeroU64;

/// How hits are counted against a limit of N per T.
///
/// A budget is counted under one strategy: changing it begins anew. Under the moving window the
/// log is one for all limits of a budget, so that any change of limits keeps the history; the other
/// strategies keep a counter for each window length, so that a changed count keeps it. In memory they tell 4,096 window
/// lengths apart: do not compute one for each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Exact: no interval as long as the window, wherever it starts, admits more than N.
    #[default]
    MovingWindow,
    /// Windows that start at the first hit and end T later. The least state; an interval that
    /// spans two windows may admit up to 2 N.
    FixedWindow,
    /// Two fixed windows, of which the earlier one counts in proportion to how much of it lies within T.
    /// Smooth, of constant size; an interval may admit up to 2 N when all hits of a window came at its end.
    SlidingWindow,
    /// The generic cell rate algorithm, also known as the leaky bucket: N per T evenly, and up to
    /// `burst` at once. An interval admits up to N + `burst`. A cost above `burst` can never fit. A bucket never holds
    /// more than drains in 71 years (2⁵¹ µs), whatever the burst.
    ///
    /// What remains is at most `burst`. If that is above N, headers show the burst as the limit, and as
    /// its window the time in which it is replenished: `burst = 10` on `3/minute` is 10 per 200
    /// seconds, the same rate. A burst below N is shown as N per T.
    Gcra {
        /// How much may be taken at once after a pause.
        burst: NonZeroU64,
    },
}

impl Strategy {
    /// Its number among the strategies, from 0.
    #[inline]
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::MovingWindow => 0,
            Self::FixedWindow => 1,
            Self::SlidingWindow => 2,
            Self::Gcra { .. } => 3,
        }
    }

    /// Zero where there is none.
    #[inline]
    pub(crate) fn burst(self) -> u64 {
        match self {
            Self::Gcra { burst } => burst.get(),
            _ => 0,
        }
    }

    /// What fits at once at most.
    #[inline(always)]
    pub(crate) fn capacity(self, limit: Limit) -> NonZeroU64 {
        match self {
            Self::Gcra { burst } => gcra::capacity(limit, burst),
            _ => limit.count(),
        }
    }
}

/// What a limit of N per T has left, before anything is recorded.
struct Standing {
    /// What is counted at present; more than `capacity` after forced hits.
    used: u64,
    /// What may be counted at most.
    capacity: NonZeroU64,
    /// Microseconds until nothing is counted any more.
    reset_after: u64,
}

impl Standing {
    /// The outcome for a request of `cost`; `wait` says in how many microseconds `used` has fallen to its argument.
    fn outcome(self, limit: Limit, cost: u64, wait: impl Fn(u64) -> u64) -> Outcome {
        // A cost of zero asks whether anything is left.
        let wanted = cost.max(1);
        let capacity = self.capacity.get();
        let left = Left {
            remaining: capacity.saturating_sub(self.used),
            reset_after: self.reset_after,
            next_after: grows_below(self.used, self.capacity).map_or(0, &wait),
        };
        let outcome = Outcome::allowed(limit, self.capacity, left);
        if self.used.saturating_add(wanted) <= capacity {
            outcome
        } else if wanted > capacity {
            outcome.into_exceeds_capacity()
        } else if wanted == 1 {
            // One unit fits as soon as one more remains.
            outcome.refused(left.next_after)
        } else {
            outcome.refused(wait(capacity - wanted))
        }
    }
}

/// What `used` has to fall to before more of `capacity` remains; `None` if nothing is used.
#[inline]
fn grows_below(used: u64, capacity: NonZeroU64) -> Option<u64> {
    used.min(capacity.get()).checked_sub(1)
}

/// The window of `limit` in the unit of [`Ticks`].
pub(crate) fn window_micros(limit: Limit) -> u64 {
    limit.window_millis().saturating_mul(1_000)
}

/// What a counter goes up to: more than any limit allows, and little enough that the scripts of a remote store
/// compute exactly.
const MAX_USED: u64 = 1 << 50;

/// `a * b / c`, rounded up, without overflow on the way; all of it if it is above `u64::MAX`.
fn mul_div_up(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product.div_ceil(c.max(1)),
        None => u64::try_from((u128::from(a) * u128::from(b)).div_ceil(u128::from(c.max(1))))
            .unwrap_or(u64::MAX),
    }
}

/// `a * b / c`, rounded down, without overflow on the way; all of it if it is above `u64::MAX`.
fn mul_div_down(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product / c.max(1),
        None => {
            u64::try_from(u128::from(a) * u128::from(b) / u128::from(c.max(1))).unwrap_or(u64::MAX)
        }
    }
}

/// Microseconds from `now` to `at`; zero if that is over.
pub(crate) fn until(now: Ticks, at: Ticks) -> u64 {
    at.as_micros().saturating_sub(now.as_micros())
}

/// The moment `micros` after `at`.
pub(crate) fn after(at: Ticks, micros: u64) -> Ticks {
    Ticks::from_micros(at.as_micros().saturating_add(micros))
}
