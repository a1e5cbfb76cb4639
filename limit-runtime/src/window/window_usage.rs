//! What a limit has counted at a point in time, and the outcome that follows from it.

use crate::decision::{Outcome, Remaining};
use limit_core::Limit;
use std::num::NonZeroU64;

/// The usage of a limit, before a request is recorded.
pub(super) struct WindowUsage {
    /// The units that count now; more than `capacity` after forced hits.
    pub(super) used: u64,
    /// The largest number of units that may count.
    pub(super) capacity: NonZeroU64,
    /// Microseconds until nothing counts any more.
    pub(super) reset_after: u64,
}

impl WindowUsage {
    /// The outcome for a request of `cost`. `wait` computes the microseconds until `used` has
    /// fallen to its argument.
    #[inline(always)]
    pub(super) fn outcome(self, limit: Limit, cost: u64, wait: impl Fn(u64) -> u64) -> Outcome {
        // A cost of zero is allowed if at least one unit remains.
        let wanted = cost.max(1);
        let capacity = self.capacity.get();
        let left = Remaining {
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
            // One unit is allowed as soon as one more remains.
            outcome.refused(left.next_after)
        } else {
            outcome.refused(wait(capacity - wanted))
        }
    }
}

/// The value of `used` at which more remains; `None` if nothing is used.
#[inline]
fn grows_below(used: u64, capacity: NonZeroU64) -> Option<u64> {
    used.min(capacity.get()).checked_sub(1)
}
