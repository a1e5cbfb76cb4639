//! Counters: the strategies whose state has a constant size.

use super::{fixed::Fixed, gcra::Gcra, sliding::Sliding, strategy::Strategy};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining},
};
use limit_core::Limit;

/// The state of one limit for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// The counter of a fixed window.
    Fixed(Fixed),
    /// The counters of a sliding window.
    Sliding(Sliding),
    /// The bucket of GCRA.
    Gcra(Gcra),
}

impl Counter {
    /// A counter that has counted nothing; `None` for the moving window, which keeps a log.
    #[inline]
    pub(crate) fn fresh(strategy: Strategy) -> Option<Self> {
        match strategy {
            Strategy::MovingWindow => None,
            Strategy::FixedWindow => Some(Self::Fixed(Fixed::default())),
            Strategy::SlidingWindow => Some(Self::Sliding(Sliding::default())),
            Strategy::Gcra { .. } => Some(Self::Gcra(Gcra::default())),
        }
    }

    /// The outcome for a request of `cost` at `now`, before anything is recorded. `strategy` must
    /// be that of the counter.
    #[inline]
    pub(crate) fn assess(
        &self,
        now: Ticks,
        limit: Limit,
        strategy: Strategy,
        cost: u64,
    ) -> Outcome {
        match self {
            Self::Fixed(fixed) => fixed.assess(now, limit, cost),
            Self::Sliding(sliding) => sliding.assess(now, limit, cost),
            Self::Gcra(gcra) => gcra.assess(now, limit, strategy.capacity(limit), cost),
        }
    }

    /// Records a request of `cost` at `now`.
    #[inline]
    pub(crate) fn record(&mut self, now: Ticks, limit: Limit, cost: u64) {
        match self {
            Self::Fixed(fixed) => fixed.record(now, limit, cost),
            Self::Sliding(sliding) => sliding.record(now, limit, cost),
            Self::Gcra(gcra) => gcra.record(now, limit, cost),
        }
    }

    /// Records a request of `cost`, at least 1, if it is allowed. Equal to `assess`, `record`, and
    /// `assess` again for what remains.
    #[inline]
    pub(crate) fn consume(
        &mut self,
        now: Ticks,
        limit: Limit,
        strategy: Strategy,
        cost: u64,
    ) -> Option<Remaining> {
        match self {
            Self::Fixed(fixed) => fixed.consume(now, limit, cost),
            Self::Sliding(sliding) => sliding.consume(now, limit, cost),
            Self::Gcra(gcra) => gcra.consume(now, limit, strategy.capacity(limit), cost),
        }
    }

    /// Refunds what still counts of `cost` units that were recorded at `at`.
    pub(crate) fn refund(&mut self, now: Ticks, at: Ticks, limit: Limit, cost: u64) {
        match self {
            Self::Fixed(fixed) => fixed.refund(at, cost),
            Self::Sliding(sliding) => sliding.refund(at, limit, cost),
            Self::Gcra(gcra) => gcra.refund(now, at, limit, cost),
        }
    }

    /// What a key alone could have recorded of these counts under `limit`. They are of a clock that
    /// shows `there` when that of the result shows `here`.
    pub(crate) fn inherited(
        &self,
        there: Ticks,
        here: Ticks,
        limit: Limit,
        strategy: Strategy,
    ) -> Self {
        let shifted = |at: Ticks| {
            let at = at.as_micros().saturating_add(here.as_micros());
            Ticks::from_micros(at.saturating_sub(there.as_micros()))
        };
        let count = limit.count().get();
        match *self {
            Self::Fixed(fixed) => Self::Fixed(Fixed {
                start: shifted(fixed.start),
                used: fixed.used.min(count),
            }),
            Self::Sliding(sliding) => Self::Sliding(Sliding {
                start: shifted(sliding.start),
                previous: sliding.previous.min(count),
                current: sliding.current.min(count),
            }),
            Self::Gcra(gcra) => {
                let empty_at = shifted(gcra.empty_at);
                let gcra = Gcra { empty_at, ..gcra };
                Self::Gcra(gcra.capped(here, limit, strategy.capacity(limit)))
            }
        }
    }

    /// The time from which nothing counts any more.
    #[inline]
    pub(crate) fn fresh_at(&self, limit: Limit) -> Ticks {
        match self {
            Self::Fixed(fixed) => fixed.fresh_at(limit),
            Self::Sliding(sliding) => sliding.fresh_at(limit),
            Self::Gcra(gcra) => gcra.fresh_at(),
        }
    }
}
