//! Entries of a log: times and running totals in 32 or 64 bits.

use crate::clock::Ticks;
use std::fmt::Debug;

/// The time of an entry.
pub(crate) trait Stamp: Copy + Debug + Default + Eq {
    /// The length of a tick.
    const MICROS: u64;

    /// The type of running totals in entries with such times.
    type Total: Total;

    /// The end of the tick that contains `now`.
    fn end_of(now: Ticks) -> Self;

    /// Ticks from `self` to `later`.
    fn until(self, later: Self) -> u64;
}

/// A running total. It wraps around, so only differences are meaningful.
pub(crate) trait Total: Copy + Debug + Default + Eq {
    /// The largest difference.
    const MAX: u64;

    /// The lower bits of `units`.
    fn low(units: u64) -> Self;

    /// The total in 64 bits, without further wrap-around.
    fn get(self) -> u64;

    /// The units added between `base` and `total`.
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

/// A time in ticks of `MICROS` microseconds, of which the lower 32 bits are kept.
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

/// Ticks of a microsecond, for windows of up to 35 minutes.
pub(crate) type Fine = Narrow<1>;

/// Ticks of a millisecond, for longer windows of up to 24 days.
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

/// Microseconds in full: for windows that are longer, and for short ones beside such as need
/// milliseconds.
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

/// An entry with a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hit<T: Stamp> {
    /// The time of the hit.
    pub(crate) at: T,
    /// The running total up to and including it.
    pub(crate) total: T::Total,
}

/// An entry of a log: with a total, or without one while all hits are single units.
pub(crate) trait Entry: Copy + Debug + Default {
    /// The time of the hit.
    type Stamp: Stamp;

    /// The time of the hit.
    fn at(self) -> Self::Stamp;

    /// The running total up to and including this hit, which has this index.
    fn total(self, index: u32) -> u64;

    /// The running total before the next hit, once this one is removed.
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
