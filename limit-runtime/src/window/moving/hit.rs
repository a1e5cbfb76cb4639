//! Hits of a log: a time, and a running total unless every hit of the log is one unit.

use super::ticks::low;
use std::fmt::Debug;

/// An entry of a [`Ring`](super::ring::Ring).
pub(crate) trait Hit: Copy + Debug + Default {
    /// A running total. It wraps around, so only differences are meaningful.
    type Total: Copy + Debug + Default;

    /// The newest hits of a ring, which are beside the pointer to the others. More than one where
    /// an entry of the store has room for them.
    type Block: Copy + Debug + Default + AsRef<[Self]> + AsMut<[Self]>;

    /// The number of hits in a block.
    const BLOCK: u32 = low((size_of::<Self::Block>() / size_of::<Self>()) as u64);

    /// Whether hits have totals, so that a hit can be more than one unit.
    const HAS_TOTALS: bool;

    /// The largest number of units of all hits together.
    const MAX_UNITS: u64;

    /// A hit of `cost` units after a hit with the total `before`.
    fn new(before: Self::Total, at: u32, cost: u64) -> Self;

    /// The time, in ticks.
    fn at(self) -> u32;

    /// The running total up to and including this hit.
    fn total(self) -> Self::Total;

    /// The units after `base`, up to and including this hit, which has this index.
    fn units_since(self, base: Self::Total, index: u32) -> u64;
}

/// A hit of one unit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnitHit(u32);

impl Hit for UnitHit {
    type Total = ();
    type Block = [Self; 3];

    const HAS_TOTALS: bool = false;
    const MAX_UNITS: u64 = u64::MAX;

    #[inline]
    fn new((): (), at: u32, _: u64) -> Self {
        Self(at)
    }

    #[inline]
    fn at(self) -> u32 {
        self.0
    }

    #[inline]
    fn total(self) {}

    #[inline]
    fn units_since(self, (): (), index: u32) -> u64 {
        u64::from(index) + 1
    }
}

/// A hit with a total of 32 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SmallHit {
    at: u32,
    total: u32,
}

impl Hit for SmallHit {
    type Total = u32;
    type Block = [Self; 1];

    const HAS_TOTALS: bool = true;
    const MAX_UNITS: u64 = u32::MAX as u64;

    #[inline]
    fn new(before: u32, at: u32, cost: u64) -> Self {
        let total = before.wrapping_add(low(cost));
        Self { at, total }
    }

    #[inline]
    fn at(self) -> u32 {
        self.at
    }

    #[inline]
    fn total(self) -> u32 {
        self.total
    }

    #[inline]
    fn units_since(self, base: u32, _: u32) -> u64 {
        self.total.wrapping_sub(base).into()
    }
}

/// A hit with a total of 64 bits, in two halves so that it takes 12 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LargeHit {
    at: u32,
    total: [u32; 2],
}

impl Hit for LargeHit {
    type Total = u64;
    type Block = [Self; 1];

    const HAS_TOTALS: bool = true;
    const MAX_UNITS: u64 = u64::MAX;

    #[inline]
    fn new(before: u64, at: u32, cost: u64) -> Self {
        let total = before.wrapping_add(cost);
        Self {
            at,
            total: [low(total), low(total >> 32)],
        }
    }

    #[inline]
    fn at(self) -> u32 {
        self.at
    }

    #[inline]
    fn total(self) -> u64 {
        let [low, high] = self.total;
        u64::from(low) | u64::from(high) << 32
    }

    #[inline]
    fn units_since(self, base: u64, _: u32) -> u64 {
        self.total().wrapping_sub(base)
    }
}
