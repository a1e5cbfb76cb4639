//! What one budget holds, whatever its strategy.

use crate::{
    clock::Ticks,
    decision::Outcome,
    window::{Strategy, fixed::Fixed, gcra::Gcra, moving::Log, sliding::Sliding},
};
use limit_core::Limit;
use std::time::Duration;

/// One log for all the limits of a budget, or a counter for one of them.
pub(super) enum Budget {
    Log { log: Log, horizon: Duration },
    Fixed(Fixed),
    Sliding(Sliding),
    Gcra(Gcra),
}

impl Budget {
    pub(super) fn new(strategy: Strategy) -> Self {
        match strategy {
            Strategy::MovingWindow => Self::Log {
                log: Log::default(),
                horizon: Duration::ZERO,
            },
            Strategy::FixedWindow => Self::Fixed(Fixed::default()),
            Strategy::SlidingWindow => Self::Sliding(Sliding::default()),
            Strategy::Gcra { .. } => Self::Gcra(Gcra::default()),
        }
    }

    /// How `limit` stands for a request of `cost` now, before anything is recorded.
    pub(super) fn assess(
        &self,
        now: Ticks,
        limit: Limit,
        strategy: Strategy,
        cost: u32,
    ) -> Outcome {
        match (self, strategy) {
            (Self::Log { log, .. }, _) => log.assess(now, limit, cost),
            (Self::Fixed(fixed), _) => fixed.assess(now, limit, cost),
            (Self::Sliding(sliding), _) => sliding.assess(now, limit, cost),
            (Self::Gcra(gcra), Strategy::Gcra { burst }) => gcra.assess(now, limit, burst, cost),
            (Self::Gcra(gcra), _) => gcra.assess(now, limit, limit.count(), cost),
        }
    }

    /// Records a request of `cost` now.
    pub(super) fn record(&mut self, now: Ticks, limits: &[Limit], cost: u32) {
        match self {
            Self::Log { log, horizon } => {
                for limit in limits {
                    *horizon = (*horizon).max(limit.window());
                }
                log.record(now, cost, *horizon);
            }
            Self::Fixed(fixed) => each(limits, |limit| fixed.record(now, limit, cost)),
            Self::Sliding(sliding) => each(limits, |limit| sliding.record(now, limit, cost)),
            Self::Gcra(gcra) => each(limits, |limit| gcra.record(now, limit, cost)),
        }
    }

    /// Gives back up to `cost` units that were recorded at `at`.
    pub(super) fn refund(&mut self, now: Ticks, at: Ticks, limits: &[Limit], cost: u32) {
        match self {
            Self::Log { log, .. } => log.refund(at, cost),
            Self::Fixed(fixed) => fixed.refund(at, cost),
            Self::Sliding(sliding) => each(limits, |limit| sliding.refund(at, limit, cost)),
            Self::Gcra(gcra) => each(limits, |limit| gcra.refund(now, at, limit, cost)),
        }
    }
}

/// A counter has one limit.
fn each(limits: &[Limit], mut act: impl FnMut(Limit)) {
    for &limit in limits {
        act(limit);
    }
}
