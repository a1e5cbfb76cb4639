//! What a limit counts in a log, and the outcome that follows from it.

use super::{
    query::Query,
    ticks::{Now, Scale},
};
use crate::{
    decision::{OutcomeParts, Remaining},
    window::window_usage::WindowUsage,
};
use limit_core::Limit;

/// The hits of a log, in any encoding.
pub(super) trait Hits {
    /// The hits in a window of this length. `is_longest`: no hit is older than the window.
    fn within(&self, now: Now, window: u32, is_longest: bool) -> LimitUse;

    /// The time of the hit with which the first `units` of the hits in a window have left it.
    fn frees(&self, of: LimitUse, units: u64) -> u32;

    /// The time of the first hit in a window, which must not be empty.
    fn first_at(&self, of: LimitUse) -> u32;

    /// The time of the newest hit; unspecified if there is none.
    fn newest_at(&self) -> u32;
}

/// The hits in the window of one limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LimitUse {
    /// Their units.
    pub(super) used: u64,
    /// Where the first of them is: the encoding defines the number.
    pub(super) first: u32,
}

/// The use of each limit of a query that has up to `N` of them.
///
/// Its arrays are indexed by constants once loops are unrolled, so that their elements stay in
/// registers.
pub(super) struct Uses<const N: usize> {
    windows: [u32; N],
    used: [u64; N],
    first: [u32; N],
    /// Whether all limits allow the request.
    pub(super) allowed: bool,
}

impl<const N: usize> Uses<N> {
    /// Looks at each limit of a query, whose scale must be that of the log if `N` is 1.
    #[inline(always)]
    pub(super) fn of(hits: &impl Hits, now: Now, scale: Scale, query: &Query<'_>) -> Self {
        let mut uses = Self {
            windows: [0; N],
            used: [0; N],
            first: [0; N],
            allowed: true,
        };
        // A cost of zero is allowed if at least one unit remains.
        let wanted = query.cost.max(1);
        for index in 0..N {
            let Some(limit) = query.limits.get(index) else {
                break;
            };
            // A single limit is only asked in a log of its own scale.
            let window = if N == 1 {
                scale.horizon
            } else {
                scale.ticks(*limit)
            };
            let LimitUse { used, first } = hits.within(now, window, window == scale.horizon);
            uses.windows[index] = window;
            uses.used[index] = used;
            uses.first[index] = first;
            uses.allowed &= wanted <= limit.count().get().saturating_sub(used);
        }
        uses
    }

    /// The shortest window, and its first hit.
    #[inline(always)]
    pub(super) fn shortest(&self, query: &Query<'_>) -> (u32, u32) {
        let mut shortest = (self.windows[0], self.first[0]);
        for index in 1..N {
            if index < query.limits.len() && self.windows[index] < shortest.0 {
                shortest = (self.windows[index], self.first[index]);
            }
        }
        shortest
    }

    /// The outcomes of a request that is not recorded.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "see the type: constant indices")]
    pub(super) fn unrecorded(
        &self,
        hits: &impl Hits,
        now: Now,
        query: &Query<'_>,
    ) -> [OutcomeParts; N] {
        let mut outcomes = [OutcomeParts::default(); N];
        for index in 0..N {
            let Some(limit) = query.limits.get(index) else {
                break;
            };
            let of = LimitUse {
                used: self.used[index],
                first: self.first[index],
            };
            outcomes[index] = unrecorded(hits, now, limit, self.windows[index], of, query.cost);
        }
        outcomes
    }

    /// The outcomes of an allowed request that is recorded now. `merged_into`: as the hit of this
    /// number.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "see the type: constant indices")]
    pub(super) fn recorded(
        &self,
        hits: &impl Hits,
        now: Now,
        query: &Query<'_>,
        merged_into: Option<u32>,
    ) -> [OutcomeParts; N] {
        let mut outcomes = [OutcomeParts::default(); N];
        for index in 0..N {
            let Some(limit) = query.limits.get(index) else {
                break;
            };
            let (window, used, first) = (self.windows[index], self.used[index], self.first[index]);
            let reset_after = now.until(now.stamp, window);
            let next_after = if used == 0 || merged_into == Some(first) {
                reset_after
            } else {
                now.until(hits.first_at(LimitUse { used, first }), window)
            };
            outcomes[index] = OutcomeParts::allowed(Remaining {
                remaining: limit.count().get() - used - query.cost,
                reset_after,
                next_after,
            });
        }
        outcomes
    }

    /// How much of the fullest limit is used once a request is recorded.
    #[inline(always)]
    pub(super) fn fill_after(&self, query: &Query<'_>) -> u8 {
        let mut fullest = 0;
        for index in 0..N {
            let Some(limit) = query.limits.get(index) else {
                break;
            };
            let used = self.used[index].saturating_add(query.cost);
            fullest = fullest.max(fill(used, limit.count().get()));
        }
        fullest
    }
}

/// A fill of more than half of a limit.
pub(crate) const OVER_HALF: u8 = u8::MAX;

/// How much of a count is used, from 0: below 128 if it is at most a half, else [`OVER_HALF`]. Of
/// one limit, more is never less; numbers of different limits differ by up to a factor of two.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "it is below 128")]
pub(crate) fn fill(used: u64, count: u64) -> u8 {
    if used > count / 2 {
        return OVER_HALF;
    }
    // `used` is below 2^49.
    ((used << 8) >> (u64::BITS - count.leading_zeros())) as u8
}

/// The outcome of a limit for a request of `cost` that is not recorded.
#[inline(always)]
fn unrecorded(
    hits: &impl Hits,
    now: Now,
    limit: &Limit,
    window: u32,
    of: LimitUse,
    cost: u64,
) -> OutcomeParts {
    let usage = WindowUsage {
        used: of.used,
        capacity: limit.count(),
        reset_after: match of.used {
            0 => 0,
            _ => now.until(hits.newest_at(), window),
        },
    };
    let outcome = usage.outcome(*limit, cost, |target| {
        now.until(hits.frees(of, of.used - target), window)
    });
    outcome.into_parts()
}
