//! A log, read: how many units a window holds.

use super::{
    entry::{Entry, Hit, Stamp, Total, partition},
    ring_range::RingRange,
};
use crate::{
    clock::Ticks,
    decision::Outcome,
    window::{arithmetic::window_micros, window_usage::WindowUsage},
};
use limit_core::Limit;
use std::time::Duration;

/// A read-only log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a, E> {
    /// The ring buffer.
    pub(crate) hits: &'a [E],
    /// The used part of the buffer.
    pub(crate) shape: RingRange,
    /// The time of the newest hit in 64 bits.
    pub(crate) newest: Ticks,
}

impl<E: Entry> View<'_, E> {
    /// An empty log.
    pub(crate) const EMPTY: Self = Self {
        hits: &[],
        shape: RingRange {
            head: 0,
            len: 0,
            base: 0,
        },
        newest: Ticks::from_micros(0),
    };

    /// The hits with times in microseconds, and totals that start at zero.
    pub(crate) fn to_micros(self) -> impl Iterator<Item = Hit<u64>> {
        (0..self.shape.len).map(move |index| {
            let back = self.age(index).saturating_mul(E::Stamp::MICROS);
            Hit {
                at: self.newest.as_micros().saturating_sub(back),
                total: self.total(index + 1),
            }
        })
    }

    /// The outcome for a request of `cost` at `now`, before anything is recorded.
    #[inline]
    pub(crate) fn assess(&self, now: Ticks, limit: Limit, cost: u64) -> Outcome {
        let window = window_micros(limit);
        let all = self.total(self.shape.len);
        // Hits at least this much older than the newest have left.
        let leaves = self.newest.as_micros().saturating_add(window);
        let cut = leaves.saturating_sub(now.as_micros());
        let hits_gone = self.left_by(cut.div_ceil(E::Stamp::MICROS));
        let used = all - self.total(hits_gone);
        let usage = WindowUsage {
            used,
            capacity: limit.count(),
            reset_after: match used {
                0 => 0,
                _ => self.last_of(all, cut),
            },
        };
        usage.outcome(limit, cost, |target| {
            let total = all.saturating_sub(target);
            self.leaves_in(self.reaches(total, hits_gone), cut)
        })
    }

    /// The units consumed within the last `window`.
    pub(crate) fn sum(&self, now: Ticks, window: Duration) -> u64 {
        let micros = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let leaves = self.newest.as_micros().saturating_add(micros);
        let cut = leaves.saturating_sub(now.as_micros());
        self.total(self.shape.len) - self.total(self.left_by(cut.div_ceil(E::Stamp::MICROS)))
    }

    /// The units of the first `count` hits.
    #[inline]
    fn total(&self, count: u32) -> u64 {
        match count.checked_sub(1) {
            Some(last) => {
                let total = self.hit(last).total(last);
                <E::Stamp as Stamp>::Total::since(total, self.shape.base)
            }
            None => 0,
        }
    }

    /// The number of hits that are `cut` ticks or more older than the newest.
    #[inline]
    fn left_by(&self, cut: u64) -> u32 {
        // Usually all have left, or none.
        if cut == 0 {
            return self.shape.len;
        }
        if self.shape.len == 0 || self.age(0) < cut {
            return 0;
        }
        partition(self.shape.len, |index| self.age(index) >= cut)
    }

    /// When the last hit that is not empty has left a window that the newest leaves in `cut`
    /// microseconds; all hits come to `all`. That is nearly always the newest itself.
    #[inline]
    fn last_of(&self, all: u64, cut: u64) -> u64 {
        let before = self.shape.len.saturating_sub(1);
        if self.total(before) < all {
            return cut;
        }
        let last = partition(before, |index| self.total(index + 1) < all);
        self.leaves_in(last, cut)
    }

    /// The first hit, from that of index `from` on, up to and including which all hits come to
    /// `total`: nearly always the first of them.
    #[inline]
    fn reaches(&self, total: u64, from: u32) -> u32 {
        let next = from + 1;
        if next >= self.shape.len || self.total(next) >= total {
            return from;
        }
        next + partition(self.shape.len - 1 - next, |index| {
            self.total(next + index + 1) < total
        })
    }

    /// Microseconds until the hit of this index has left a window that the newest leaves in `cut`
    /// microseconds.
    #[inline]
    fn leaves_in(&self, index: u32, cut: u64) -> u64 {
        cut.saturating_sub(self.age(index).saturating_mul(E::Stamp::MICROS))
    }

    /// Ticks from a hit to the newest.
    #[inline]
    fn age(&self, index: u32) -> u64 {
        let newest = self.hit(self.shape.len - 1);
        self.hit(index).at().until(newest.at())
    }

    #[inline]
    fn hit(&self, index: u32) -> E {
        let place = self.shape.place(index, self.hits.len());
        self.hits.get(place).copied().unwrap_or_default()
    }
}
