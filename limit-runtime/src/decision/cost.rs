//! Costs as stores record them.

use limit_core::MAX_COUNT;

/// The largest cost that is recorded, which is more than any limit allows. A larger forced charge
/// is recorded as this one.
pub(crate) const MAX_COST: u64 = MAX_COUNT + 1;

/// The cost that is recorded for a charge of `cost`.
#[inline]
pub(crate) const fn recorded_cost(cost: u64) -> u64 {
    if cost > MAX_COST { MAX_COST } else { cost }
}
