//! Initial size and growth of a log's ring: as large as its limits can use, and at most its
//! maximum.

use super::{
    kept::UNITS,
    slab::rounded,
    write::{Write, ticks},
};
use crate::window::moving::{Resolution, Stamp};

/// The first size of a ring with totals.
const FIRST_RING: usize = 4;
/// The first size of a ring without totals. Below [`SMALL_UNIT_RING`], it is the useful size.
const FIRST_UNIT_RING: usize = 8;
const SMALL_UNIT_RING: usize = 12;
/// Below this size, a ring grows to twice its size.
const QUICK_RING: usize = 32;

impl Write<'_> {
    /// The grid to which hits may be merged.
    #[cold]
    pub(super) fn resolution<T: Stamp>(&self) -> Resolution {
        let windows = self.slot.limits.iter().map(|limit| limit.window_millis());
        let windows = windows.chain([self.horizon]).map(ticks::<T>);
        Resolution::new(self.entries, windows)
    }

    /// The maximum number of hits.
    #[cold]
    pub(super) fn capacity<T: Stamp>(&self) -> usize {
        let mut limits = self.slot.limits.iter();
        if limits.all(|limit| limit.window_millis() == self.horizon) {
            return Resolution::capacity_of_one(self.entries);
        }
        self.resolution::<T>().capacity()
    }

    /// The first size of a ring with totals, at most `most`.
    pub(super) fn first_ring(&self, most: usize) -> usize {
        FIRST_RING.min(self.useful()).clamp(3, most.max(3))
    }

    /// The first size of a ring without totals.
    pub(super) fn first_unit_ring<T: Stamp>(&self) -> usize {
        let useful = self.useful();
        let size = if useful <= SMALL_UNIT_RING {
            useful
        } else {
            FIRST_UNIT_RING
        };
        size.clamp(UNITS + 1, self.capacity::<T>().max(UNITS + 1))
    }

    /// The number of hits that the limits can admit.
    fn useful(&self) -> usize {
        let counts = self.slot.limits.iter().map(|limit| limit.count().get());
        usize::try_from(counts.max().unwrap_or(1)).unwrap_or(usize::MAX)
    }

    /// The next size of a ring: twice the size, or 1.5 times if it is large, but no larger than
    /// useful.
    pub(super) fn grown(&self, places: usize, most: usize) -> usize {
        let more = if places < QUICK_RING {
            places
        } else {
            places / 2
        };
        let grown = (places + more).max(FIRST_RING);
        let useful = self.useful();
        let grown = if places < useful {
            grown.min(useful)
        } else {
            grown
        };
        rounded(grown).clamp(places + 1, most.max(places + 1))
    }
}
