//! Settings of rules with an estimate as their cost, which a reservation settles.

use crate::window::Strategy;
use limit_core::Limits;

/// What becomes of an estimate if the request has ended and its use is not known: `on_unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// It counts as used.
    #[default]
    Keep,
    /// It is given back.
    Release,
}

/// The most that a request is charged at admission: `cap_cost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostCap {
    /// This number of units.
    Units(u64),
    /// This share of what the smallest limit allows at once, from 1 to 100.
    Percent(u8),
}

impl CostCap {
    /// The most that a request is charged under these limits: at least 1.
    pub(crate) fn units(self, limits: &Limits, strategy: Strategy) -> u64 {
        let percent = match self {
            Self::Units(units) => return units.max(1),
            Self::Percent(percent) => percent,
        };
        let capacities = limits.iter().map(|limit| strategy.capacity(*limit).get());
        let smallest = u128::from(capacities.min().unwrap_or(1));
        let share = smallest * u128::from(percent) / 100;
        u64::try_from(share).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;
    use std::num::NonZeroU64;

    #[test]
    fn a_share_is_of_what_the_smallest_limit_allows_at_once() {
        let limits = limits!("1_001/minute; 10_000/hour");
        let units = |cap: CostCap, strategy| cap.units(&limits, strategy);
        let moving = Strategy::MovingWindow;
        assert_eq!(units(CostCap::Percent(50), moving), 500);
        assert_eq!(units(CostCap::Percent(100), moving), 1_001);
        assert_eq!(units(CostCap::Units(7), moving), 7);
        let burst = NonZeroU64::new(100).unwrap();
        assert_eq!(units(CostCap::Percent(50), Strategy::Gcra { burst }), 50);
        assert_eq!(CostCap::Percent(1).units(&limits!("5/s"), moving), 1);
    }
}
