//! The outcome of one limit.

use super::rounding::whole_micros;
use limit_core::{Limit, MAX_COUNT, MAX_WINDOW};
use std::{fmt, num::NonZeroU64, time::Duration};

/// The state of one limit after a check. Times are whole microseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    limit: Limit,
    remaining: u64,
    /// The largest value of `remaining`.
    capacity: NonZeroU64,
    /// Microseconds.
    reset_after: u64,
    /// Microseconds; [`Self::NOW`] if the limit had room, and [`Self::NEVER`] if it never will.
    retry_after: u64,
    /// Microseconds; zero if nothing is counted.
    next_after: u64,
}

impl Outcome {
    const NOW: u64 = 0;
    const NEVER: u64 = u64::MAX;

    /// An outcome with the remaining units, the time until all units are available again, and the
    /// verdict. Fractions of a microsecond are rounded up, and a wait is at least one microsecond.
    /// `remaining` is capped at the largest count of a limit.
    ///
    /// [`next_after`](Self::next_after) is set to its upper bound: `reset_after`, or the wait of a
    /// refused request if that is shorter. A store that knows the exact value adds
    /// [`with_next_after`](Self::with_next_after).
    ///
    /// ```
    /// use limit_runtime::{Outcome, Verdict, limits};
    /// use std::time::Duration;
    ///
    /// let limit = limits!("10/minute").first();
    /// let outcome = Outcome::new(limit, 9, Duration::from_secs(60), Verdict::Allowed);
    /// assert_eq!(outcome.remaining(), 9);
    /// assert_eq!(outcome.retry_after(), None);
    /// assert_eq!(outcome.next_after(), Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn new(limit: Limit, remaining: u64, reset_after: Duration, verdict: Verdict) -> Self {
        let retry_after = match verdict {
            Verdict::Allowed => Self::NOW,
            Verdict::RetryAfter(wait) => whole_micros(wait).clamp(1, Self::NEVER - 1),
            Verdict::ExceedsCapacity => Self::NEVER,
        };
        let reset_after = whole_micros(reset_after);
        let remaining = remaining.min(MAX_COUNT);
        let next_after = match retry_after {
            Self::NOW => reset_after,
            // After the wait the refused request fits, so more remains than now.
            wait => reset_after.min(wait),
        };
        Self {
            limit,
            remaining,
            capacity: NonZeroU64::new(remaining)
                .map_or(limit.count(), |remaining| remaining.max(limit.count())),
            reset_after,
            retry_after,
            next_after,
        }
    }

    /// Sets the time after which [`remaining`](Self::remaining) grows if nothing else is consumed;
    /// zero if it cannot grow. Fractions of a microsecond are rounded up.
    ///
    /// ```
    /// use limit_runtime::{Outcome, Verdict, limits};
    /// use std::time::Duration;
    ///
    /// // Two hits of the last minute, which leave the window 6 and 60 seconds from now.
    /// let limit = limits!("10/minute").first();
    /// let outcome = Outcome::new(limit, 8, Duration::from_secs(60), Verdict::Allowed)
    ///     .with_next_after(Duration::from_secs(6));
    /// assert_eq!(outcome.next_after(), Duration::from_secs(6));
    /// ```
    #[must_use]
    pub fn with_next_after(self, next_after: Duration) -> Self {
        Self {
            next_after: whole_micros(next_after),
            ..self
        }
    }

    /// Sets the largest number of units that can remain, such as the burst of
    /// [GCRA](crate::Strategy::Gcra). Default: the count of the limit.
    ///
    /// ```
    /// use limit_runtime::{Outcome, Verdict, limits};
    /// use std::{num::NonZeroU64, time::Duration};
    ///
    /// let (limit, burst) = (limits!("3/minute").first(), NonZeroU64::new(10).unwrap());
    /// let outcome = Outcome::new(limit, 9, Duration::from_secs(20), Verdict::Allowed)
    ///     .with_capacity(burst);
    /// assert_eq!(outcome.capacity(), burst);
    /// ```
    #[must_use]
    pub fn with_capacity(self, capacity: NonZeroU64) -> Self {
        Self { capacity, ..self }
    }

    /// The outcome after this time, if nothing else has happened.
    ///
    /// What remains may have grown by an unknown number of units. Then one unit more is certain,
    /// and [`next_after`](Self::next_after) is an upper bound: the time until the refused request
    /// fits, or until all units are available again.
    pub(crate) fn after(&self, by: Duration) -> Self {
        let by = whole_micros(by);
        let retry_after = match self.retry_after {
            Self::NOW | Self::NEVER => self.retry_after,
            wait => wait.saturating_sub(by).max(1),
        };
        let reset_after = self.reset_after.saturating_sub(by);
        let capacity = self.capacity.get();
        let remaining = if reset_after == 0 {
            capacity
        } else if self.next_after > 0 && by >= self.next_after {
            self.remaining.saturating_add(1).min(capacity)
        } else {
            self.remaining
        };
        let next_after = match self.next_after.checked_sub(by) {
            Some(next_after) if next_after > 0 || self.next_after == 0 => next_after,
            _ if retry_after == Self::NOW => reset_after,
            _ => reset_after.min(retry_after),
        };
        Self {
            remaining,
            reset_after,
            retry_after,
            next_after,
            ..*self
        }
    }

    /// The outcome of a limit that had room.
    #[inline]
    pub(crate) fn allowed(limit: Limit, capacity: NonZeroU64, left: Remaining) -> Self {
        Self {
            limit,
            remaining: left.remaining,
            capacity,
            reset_after: left.reset_after,
            retry_after: Self::NOW,
            next_after: left.next_after,
        }
    }

    /// The outcome of a limit that has counted nothing.
    pub(crate) fn unused(limit: Limit, capacity: NonZeroU64) -> Self {
        let left = Remaining {
            remaining: capacity.get(),
            reset_after: 0,
            next_after: 0,
        };
        Self::allowed(limit, capacity, left)
    }

    /// The outcome of a refused request, with its wait in microseconds, at least one.
    #[inline]
    pub(crate) fn refused(self, retry_after_micros: u64) -> Self {
        Self {
            retry_after: retry_after_micros.clamp(1, Self::NEVER - 1),
            ..self
        }
    }

    /// The outcome of a request whose cost exceeds the capacity.
    pub(crate) fn into_exceeds_capacity(self) -> Self {
        Self {
            retry_after: Self::NEVER,
            ..self
        }
    }

    /// The outcome that a peek at one unit gives right after this one: without a unit left, it fits
    /// once more remains.
    pub(crate) fn peeked(&self) -> Self {
        if self.remaining > 0 {
            self.into_allowed()
        } else {
            self.refused(self.next_after)
        }
    }

    /// The outcome of an allowed request.
    pub(crate) fn into_allowed(self) -> Self {
        Self {
            retry_after: Self::NOW,
            ..self
        }
    }

    /// Updates the outcome once the charge is recorded.
    #[inline]
    pub(crate) fn update(&mut self, left: Remaining) {
        self.remaining = left.remaining;
        self.reset_after = left.reset_after;
        self.next_after = left.next_after;
    }

    /// The remaining units, and when they grow.
    #[inline]
    pub(crate) fn left(&self) -> Remaining {
        Remaining {
            remaining: self.remaining,
            reset_after: self.reset_after,
            next_after: self.next_after,
        }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// The units that remain, in the unit of the limit.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The largest value of [`remaining`](Self::remaining): the count of the limit, or the burst
    /// under [GCRA](crate::Strategy::Gcra).
    #[must_use]
    pub const fn capacity(&self) -> NonZeroU64 {
        self.capacity
    }

    /// The time until [`remaining`](Self::remaining) grows by at least one unit, if nothing else is
    /// consumed. Zero if all units are available.
    ///
    /// It is exact to the microsecond, with two exceptions, which are upper bounds: outcomes of a
    /// [`Store`](crate::store::Store) that does not set it, and denials of a remote store that this
    /// process repeats after the remaining units have begun to grow.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let (limiter, clock) = Limiter::for_test();
    /// let limits = limits!("10/minute");
    /// limiter.check(&limits, "alice").await?;
    /// clock.advance(Duration::from_secs(20));
    /// let second = limiter.check(&limits, "alice").await?;
    /// let outcome = second.outcomes()[0];
    /// assert_eq!(outcome.next_after(), Duration::from_secs(40));
    /// assert_eq!(outcome.reset_after(), Duration::from_secs(60));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn next_after(&self) -> Duration {
        Duration::from_micros(self.next_after)
    }

    /// The time until all units are available again, if nothing else is consumed.
    #[must_use]
    pub const fn reset_after(&self) -> Duration {
        Duration::from_micros(self.reset_after)
    }

    /// [`reset_after`](Self::reset_after) in microseconds.
    pub(crate) const fn reset_after_micros(&self) -> u64 {
        self.reset_after
    }

    /// Microseconds until a client should retry: its wait if it was refused and a wait helps, else
    /// the time until more remains.
    #[inline]
    pub(crate) const fn ask_after_micros(&self) -> u64 {
        match self.retry_after {
            Self::NOW | Self::NEVER => self.next_after,
            wait => wait,
        }
    }

    /// What it says of its limit and capacity.
    #[inline(always)]
    pub(crate) fn into_parts(self) -> OutcomeParts {
        OutcomeParts {
            left: self.left(),
            retry_after: self.retry_after,
        }
    }

    /// The outcome of `limit` with these numbers.
    #[inline(always)]
    pub(crate) fn from_parts(limit: Limit, capacity: NonZeroU64, parts: OutcomeParts) -> Self {
        Self {
            retry_after: parts.retry_after,
            ..Self::allowed(limit, capacity, parts.left)
        }
    }

    /// Orders outcomes by how much they matter to the client, the strictest first: of limits that
    /// refuse, the longest wait; of others, the fewest units remaining, and of equal ones the
    /// longest time until they grow.
    #[inline]
    pub(crate) fn rank(&self) -> (u64, u64, u64, u64) {
        // A cost above the capacity is the longest wait of all; an allowed request has none.
        (
            u64::MAX - self.retry_after,
            self.remaining,
            u64::MAX - self.next_after,
            u64::MAX - self.limit.window_millis(),
        )
    }

    /// The limit for headers, which never show more remaining units than the limit allows.
    ///
    /// A burst above the count is shown with the time in which it is replenished, which is the same
    /// rate.
    #[inline]
    pub(crate) fn quota(&self) -> Limit {
        quota(self.limit, self.capacity)
    }

    /// The wait in microseconds: zero if the request was allowed, `u64::MAX` if no wait helps.
    pub(crate) const fn retry_after_micros(&self) -> u64 {
        self.retry_after
    }

    /// Whether the limit allowed the request, and if not, when it would.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self.retry_after {
            Self::NOW => Verdict::Allowed,
            Self::NEVER => Verdict::ExceedsCapacity,
            micros => Verdict::RetryAfter(Duration::from_micros(micros)),
        }
    }

    /// Whether the limit allowed the request.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.retry_after == Self::NOW
    }

    /// Whether the cost exceeds the [`capacity`](Self::capacity), so that no wait helps.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let decision = Limiter::new().check(&limits!("10/minute"), "alice").cost(11).await?;
    /// assert!(decision.outcomes()[0].exceeds_capacity());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn exceeds_capacity(&self) -> bool {
        self.retry_after == Self::NEVER
    }

    /// The time until this limit has room for the request; `None` if it was allowed, or if its cost
    /// exceeds the capacity.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.verdict() {
            Verdict::RetryAfter(wait) => Some(wait),
            Verdict::Allowed | Verdict::ExceedsCapacity => None,
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("limit", &self.limit)
            .field("remaining", &self.remaining)
            .field("capacity", &self.capacity)
            .field("next_after", &self.next_after())
            .field("reset_after", &self.reset_after())
            .field("verdict", &self.verdict())
            .finish()
    }
}

/// The limit that headers show for a limit of this capacity; see [`Outcome::quota`].
#[inline]
pub(crate) fn quota(limit: Limit, capacity: NonZeroU64) -> Limit {
    if capacity <= limit.count() {
        return limit;
    }
    quota_of_burst(limit, capacity)
}

#[cold]
fn quota_of_burst(limit: Limit, capacity: NonZeroU64) -> Limit {
    let (burst, count) = (capacity.get(), limit.count().get());
    let millis = u128::from(limit.window_millis()) * u128::from(burst);
    let millis = u64::try_from(millis.div_ceil(u128::from(count))).unwrap_or(u64::MAX);
    let window = Duration::from_millis(millis).min(MAX_WINDOW);
    Limit::new(capacity, window).unwrap_or(limit)
}

/// The remaining units of a limit, and when they grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remaining {
    pub(crate) remaining: u64,
    /// Microseconds until all is available again.
    pub(crate) reset_after: u64,
    /// Microseconds until `remaining` grows; zero if it cannot.
    pub(crate) next_after: u64,
}

/// An [`Outcome`] without its limit and its capacity. Checks return these: small numbers stay in
/// registers, and copying a structure that has just been written takes longer than a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutcomeParts {
    pub(crate) left: Remaining,
    /// Microseconds; [`Outcome::NOW`] or [`Outcome::NEVER`].
    pub(crate) retry_after: u64,
}

impl OutcomeParts {
    /// Of a limit that had room.
    #[inline(always)]
    pub(crate) fn allowed(left: Remaining) -> Self {
        Self {
            left,
            retry_after: Outcome::NOW,
        }
    }

    /// Whether the limit had room.
    #[inline(always)]
    pub(crate) fn is_allowed(self) -> bool {
        self.retry_after == Outcome::NOW
    }
}

/// Whether a limit allows a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is allowed.
    Allowed,
    /// It is allowed after this time, and not sooner, if nothing else is consumed.
    RetryAfter(Duration),
    /// The cost exceeds the capacity: the count of the limit, or the burst under
    /// [GCRA](crate::Strategy::Gcra). No wait helps.
    ExceedsCapacity,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Decision;
    use limit_core::limits;

    fn outcome(remaining: u64, verdict: Verdict) -> Outcome {
        let limit = limits!("10/minute").first();
        Outcome::new(limit, remaining, Duration::from_secs(60), verdict)
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn next_after_defaults_to_its_upper_bound() {
        assert_eq!(outcome(9, Verdict::Allowed).next_after(), secs(60));
        let refused = outcome(3, Verdict::RetryAfter(secs(7)));
        assert_eq!(refused.next_after(), secs(7));
        let never = outcome(3, Verdict::ExceedsCapacity);
        assert_eq!(never.next_after(), secs(60));
        assert!(never.exceeds_capacity() && !refused.exceeds_capacity());
    }

    #[test]
    fn an_outcome_after_some_time_has_what_is_certain() {
        let refused = outcome(3, Verdict::RetryAfter(secs(40))).with_next_after(secs(10));
        let young = refused.after(secs(4));
        assert_eq!(young.next_after(), secs(6));
        assert_eq!(young.retry_after(), Some(secs(36)));
        assert_eq!(young.reset_after(), secs(56));
        // More remains already, and how much is not known: it grows at the latest when the request
        // fits.
        let old = refused.after(secs(10));
        assert_eq!((old.remaining(), old.next_after()), (4, secs(30)));
        assert!(!refused.after(secs(40)).is_allowed(), "it was refused");
        let allowed = outcome(3, Verdict::Allowed).with_next_after(secs(10));
        assert_eq!(allowed.after(secs(10)).next_after(), secs(50));
        let all = allowed.after(secs(60));
        assert_eq!((all.remaining(), all.next_after()), (10, secs(0)));
        let full = Outcome::unused(allowed.limit(), allowed.capacity());
        assert_eq!(full.after(secs(1)), full);
    }

    #[test]
    fn a_quota_is_never_less_than_what_remains() {
        for (count, burst, shown) in [
            ("3/minute", 10, "10 per 200 seconds"),
            ("10/minute", 10, "10 per minute"),
            ("60/minute", 2, "60 per minute"),
            ("7/second", 9, "9 per 1286 ms"),
            ("1/3650days", 2, "2 per 3650 days"),
        ] {
            let limit = count.parse().unwrap();
            let capacity = NonZeroU64::new(burst).unwrap();
            let outcome = Outcome::unused(limit, capacity);
            assert!(outcome.quota().count().get() >= outcome.remaining());
            assert_eq!(outcome.quota().to_string(), shown);
        }
    }

    #[test]
    fn of_limits_with_equal_remaining_units_the_one_that_takes_longest_to_grow_is_the_strictest() {
        let soon = outcome(0, Verdict::Allowed).with_next_after(secs(1));
        let late = outcome(0, Verdict::Allowed).with_next_after(secs(5));
        assert_eq!(Decision::new([soon, late]).strictest(), Some(&late));
        assert_eq!(Decision::new([late, soon]).strictest(), Some(&late));
    }
}
