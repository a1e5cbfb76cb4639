//! The strategies whose state has one size, however many requests it counts.

use super::{fixed::Fixed, gcra::Gcra, sliding::Sliding, strategy::Strategy};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining},
};
use limit_core::Limit;

/// What one limit of one key has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// The counter of a fixed window.
    Fixed(Fixed),
    /// The counters of a sliding window.
    Sliding(Sliding),
    /// A bucket.
    Gcra(Gcra),
}

impl Counter {
    /// One that has counted nothing; `None` for the moving window, which keeps a log.
    #[inline]
    pub(crate) fn fresh(strategy: Strategy) -> Option<Self> {
        match strategy {
            Strategy::MovingWindow => None,
            Strategy::FixedWindow => Some(Self::Fixed(Fixed::default())),
            Strategy::SlidingWindow => Some(Self::Sliding(Sliding::default())),
            Strategy::Gcra { .. } => Some(Self::Gcra(Gcra::default())),
        }
    }

    /// How `limit` stands for a request of `cost` now, before anything is recorded; `strategy` is
    /// the counter's own.
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

    /// Records a request of `cost` now.
    #[inline]
    pub(crate) fn record(&mut self, now: Ticks, limit: Limit, cost: u64) {
        match self {
            Self::Fixed(fixed) => fixed.record(now, limit, cost),
            Self::Sliding(sliding) => sliding.record(now, limit, cost),
            Self::Gcra(gcra) => gcra.record(now, limit, cost),
        }
    }

    /// Records a request of `cost`, at least 1, if it fits: the same as to assess it, to record it,
    /// and to assess what is left.
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

    /// Gives back what still counts of `cost` units that were recorded at `at`.
    pub(crate) fn refund(&mut self, now: Ticks, at: Ticks, limit: Limit, cost: u64) {
        match self {
            Self::Fixed(fixed) => fixed.refund(at, cost),
            Self::Sliding(sliding) => sliding.refund(at, limit, cost),
            Self::Gcra(gcra) => gcra.refund(now, at, limit, cost),
        }
    }

    /// When nothing of this counts any more.
    #[inline]
    pub(crate) fn fresh_at(&self, limit: Limit) -> Ticks {
        match self {
            Self::Fixed(fixed) => fixed.fresh_at(limit),
            Self::Sliding(sliding) => sliding.fresh_at(limit),
            Self::Gcra(gcra) => gcra.fresh_at(),
        }
    }
}
