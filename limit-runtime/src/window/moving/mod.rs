//! The moving window: no interval of the window's length, wherever it starts, holds more than the count.
//!
//! The log holds one entry per request whatever its cost: when it was, and the running total up to and
//! including it. What a window holds is the difference of two totals, so any limit can be read
//! from the same log, and a limit that changes keeps its history. After Cloudflare's and Figma's
//! "sliding window log", with totals in place of one entry per unit.
//!
//! A hit is stamped with the *end* of the tick it came in, and has left once a whole window has passed since:
//! rounding may count it longer, by less than a tick, and never shorter.
//!
//! Where every hit is one unit, which is the most usual, its place in the log says the total, and only the time is kept.
//!
//! Times and totals are kept in 32 bits and compared by their differences, which survive wrap-around; in 64 bits where
//! 32 do not suffice.

mod log;
mod merge;

pub(crate) use self::{
    log::{Full, Log, Shape},
    merge::{MAX_ENTRIES, Resolution, grid},
};

use super::{Standing, window_micros};
use crate::{clock::Ticks, decision::Outcome};
use limit_core::Limit;
use std::{fmt::Debug, time::Duration};

/// A time as it stands in a log.
pub(crate) trait Stamp: Copy + Debug + Default + Eq {
    /// The length of a tick.
    const MICROS: u64;

    /// The running total beside such a time.
    type Total: Total;

    /// The end of the tick that `now` lies in.
    fn end_of(now: Ticks) -> Self;

    /// Ticks from here to `later`.
    fn until(self, later: Self) -> u64;
}

/// A running total: it wraps around, so that only the difference of two means anything.
pub(crate) trait Total: Copy + Debug + Default + Eq {
    /// The largest difference.
    const MAX: u64;

    /// The lower bits of `units`.
    fn low(units: u64) -> Self;

    /// Without wrapping any further.
    fn get(self) -> u64;

    /// What was added between `base` and `total`.
    #[inline]
    fn since(total: u64, base: u64) -> u64 {
        Self::low(total.wrapping_sub(base)).get()
    }
}

impl Total for u32 {
    const MAX: u64 = u32::MAX as u64;

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "differences survive wrap-around"
    )]
    fn low(units: u64) -> Self {
        units as u32
    }

    #[inline]
    fn get(self) -> u64 {
        self.into()
    }
}

impl Total for u64 {
    const MAX: u64 = u64::MAX;

    #[inline]
    fn low(units: u64) -> Self {
        units
    }

    #[inline]
    fn get(self) -> u64 {
        self
    }
}

/// Ticks of so many microseconds, of which the lower 32 bits are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Narrow<const MICROS: u64>(pub(crate) u32);

impl<const MICROS: u64> Narrow<MICROS> {
    /// A time in ticks, of which the lower 32 bits are kept.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "differences survive wrap-around"
    )]
    pub(crate) fn low(ticks: u64) -> Self {
        Self(ticks as u32)
    }
}

/// Microseconds: for windows of up to 35 minutes.
pub(crate) type Fine = Narrow<1>;

/// Milliseconds: for windows from there to 24 days.
pub(crate) type Coarse = Narrow<1_000>;

impl<const MICROS: u64> Stamp for Narrow<MICROS> {
    const MICROS: u64 = MICROS;

    type Total = u32;

    #[inline]
    fn end_of(now: Ticks) -> Self {
        Self::low(now.as_micros().div_ceil(MICROS))
    }

    #[inline]
    fn until(self, later: Self) -> u64 {
        later.0.wrapping_sub(self.0).into()
    }
}

/// Microseconds in full: for windows that are longer, and for short ones beside such as need milliseconds.
impl Stamp for u64 {
    const MICROS: u64 = 1;

    type Total = u64;

    fn end_of(now: Ticks) -> Self {
        now.as_micros()
    }

    fn until(self, later: Self) -> u64 {
        later.saturating_sub(self)
    }
}

/// An entry of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hit<T: Stamp> {
    /// When it was.
    pub(crate) at: T,
    /// The running total up to and including it.
    pub(crate) total: T::Total,
}

/// How a hit is kept: with a total, or without one where every hit is one unit.
pub(crate) trait Entry: Copy + Debug + Default {
    /// When it was.
    type Stamp: Stamp;

    /// When it was.
    fn at(self) -> Self::Stamp;

    /// The running total up to and including it, as the hit of this index.
    fn total(self, index: u32) -> u64;

    /// The running total before the hit that follows, once this one is forgotten.
    fn base(self) -> u64;
}

impl<T: Stamp> Entry for Hit<T> {
    type Stamp = T;

    #[inline]
    fn at(self) -> T {
        self.at
    }

    #[inline]
    fn total(self, _: u32) -> u64 {
        self.total.get()
    }

    #[inline]
    fn base(self) -> u64 {
        self.total.get()
    }
}

impl<const MICROS: u64> Entry for Narrow<MICROS> {
    type Stamp = Self;

    #[inline]
    fn at(self) -> Self {
        self
    }

    #[inline]
    fn total(self, index: u32) -> u64 {
        u64::from(index) + 1
    }

    #[inline]
    fn base(self) -> u64 {
        0
    }
}

/// A log to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a, E> {
    /// A ring.
    pub(crate) hits: &'a [E],
    /// Which part of it is used.
    pub(crate) shape: Shape,
    /// The stamp of the newest hit, in full.
    pub(crate) newest: Ticks,
}

impl<E: Entry> View<'_, E> {
    /// A log in which nothing was ever recorded.
    pub(crate) const EMPTY: Self = Self {
        hits: &[],
        shape: Shape {
            head: 0,
            len: 0,
            base: 0,
        },
        newest: Ticks::from_micros(0),
    };

    /// The same hits with times in microseconds, and totals that begin at zero.
    pub(crate) fn to_micros(self) -> impl Iterator<Item = Hit<u64>> {
        (0..self.shape.len).map(move |index| {
            let back = self.age(index).saturating_mul(E::Stamp::MICROS);
            Hit {
                at: self.newest.as_micros().saturating_sub(back),
                total: self.total(index + 1),
            }
        })
    }

    /// How `limit` stands for a request of `cost` now, before anything is recorded.
    #[inline]
    pub(crate) fn assess(&self, now: Ticks, limit: Limit, cost: u64) -> Outcome {
        let window = window_micros(limit);
        let all = self.total(self.shape.len);
        // So long ago, or longer, before the newest hit: that has left.
        let leaves = self.newest.as_micros().saturating_add(window);
        let cut = leaves.saturating_sub(now.as_micros());
        let hits_gone = self.left_by(cut.div_ceil(E::Stamp::MICROS));
        let used = all - self.total(hits_gone);
        let standing = Standing {
            used,
            capacity: limit.count(),
            reset_after: match used {
                0 => 0,
                _ => self.last_of(all, cut),
            },
        };
        standing.outcome(limit, cost, |target| {
            let total = all.saturating_sub(target);
            self.leaves_in(self.reaches(total, hits_gone), cut)
        })
    }

    /// What was consumed within `window` before now, and when the newest of it was.
    pub(crate) fn sum(&self, now: Ticks, window: Duration) -> u64 {
        let micros = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let leaves = self.newest.as_micros().saturating_add(micros);
        let cut = leaves.saturating_sub(now.as_micros());
        self.total(self.shape.len) - self.total(self.left_by(cut.div_ceil(E::Stamp::MICROS)))
    }

    /// What the first `count` hits come to.
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

    /// How many hits came `cut` ticks or longer before the newest.
    #[inline]
    fn left_by(&self, cut: u64) -> u32 {
        // Most of the time, all have left or none has.
        if cut == 0 {
            return self.shape.len;
        }
        if self.shape.len == 0 || self.age(0) < cut {
            return 0;
        }
        partition(self.shape.len, |index| self.age(index) >= cut)
    }

    /// When the last hit that is not empty has left a window that the newest leaves in `cut` microseconds; all hits
    /// come to `all`. That is nearly always the newest itself.
    #[inline]
    fn last_of(&self, all: u64, cut: u64) -> u64 {
        let before = self.shape.len.saturating_sub(1);
        if self.total(before) < all {
            return cut;
        }
        let last = partition(before, |index| self.total(index + 1) < all);
        self.leaves_in(last, cut)
    }

    /// The first hit, from that of index `from` on, up to and including which all hits come to `total`:
    /// nearly always the first of them.
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

    /// Microseconds until the hit of this index has left a window that the newest leaves in `cut` microseconds.
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

/// The first index below `len` for which `before` is false.
pub(crate) fn partition(len: u32, before: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
