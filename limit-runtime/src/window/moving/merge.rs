//! Which hits may be merged once a log is full, so that its memory is bounded.
//!
//! While a window holds up to B hits, it is exact. Beyond that, all hits in one cell of a grid
//! become one, with the time of the latest. The cells of a window of length T are the largest power
//! of two of ticks that is at most T/B, so a hit counts for less than T/B longer, and a steady
//! flood still gets B/(B+1) of the count. There are at most 2B + 1 cells in a window. Merging the
//! two closest hits instead would guarantee less: under a flood these are always the two newest, so
//! all hits would end in one entry that leaves last.
//!
//! A new hit in the cell of the newest one is merged at once, which costs less than an entry of its
//! own. Only hits that came while the log was exact, or that have become too old for a window, are
//! merged later, when the ring is full.
//!
//! Several limits share a log. A hit that is too old for a shorter window is merged on the grid of
//! the next longer one, and only if there are more than B hits between the two windows. So each
//! limit is exact while its window holds up to B hits, whatever longer windows hold. Each grid is a
//! multiple of the one before, so the delays of a hit that is merged twice do not add up.

use super::{
    query::Query,
    ticks::{Now, Scale},
};
use smallvec::SmallVec;

/// The largest setting of B.
pub(crate) const MAX_ENTRIES: u32 = 1 << 14;

/// The windows of a log in ticks, each once, from the shortest to the longest.
pub(super) struct Windows(SmallVec<[u32; 9]>);

impl Windows {
    pub(super) fn of(scale: Scale, query: &Query<'_>) -> Self {
        let windows = query.limits.iter().map(|limit| scale.ticks(*limit));
        let mut windows: SmallVec<[u32; 9]> = windows.chain([scale.horizon]).collect();
        windows.sort_unstable();
        windows.dedup();
        Self(windows)
    }

    pub(super) fn shortest(&self) -> u32 {
        self.0.first().copied().unwrap_or(1)
    }

    /// The largest number of hits of a log. With several windows there is some room to spare, so
    /// that hits are not merged for each new one.
    pub(super) fn capacity(&self, entries: u32) -> usize {
        let (windows, entries) = (self.0.len(), entries as usize);
        let spare = if windows > 1 { entries / 2 + 1 } else { 0 };
        windows * (2 * entries + 2) + spare
    }
}

/// The size of the cells for a window of `ticks`, as a power of two.
#[inline(always)]
fn cell_shift(ticks: u32, entries: u32) -> u32 {
    let (ticks, entries) = (u64::from(ticks), u64::from(entries.max(1)));
    // One too many at most, as both numbers are rounded down to powers of two.
    let shift = ticks.ilog2().saturating_sub(entries.ilog2());
    if entries << shift > ticks {
        shift.saturating_sub(1)
    } else {
        shift
    }
}

/// Whether a hit of now is merged into the newest one: if the shortest window, of `ticks`, has as
/// many hits as are exact, and both are in one cell of its grid.
#[inline(always)]
pub(super) fn joins_newest(within: u32, newest: u32, now: Now, ticks: u32, entries: u32) -> bool {
    within >= entries && is_same_cell(newest, now.stamp, cell_shift(ticks, entries))
}

/// Whether a hit of one time may have been merged into one of another on the grids of a log.
pub(super) fn may_be_merged(one: u32, other: u32, horizon: u32, entries: u32) -> bool {
    is_same_cell(one, other, cell_shift(horizon, entries))
}

/// Whether two times are in one cell. Times that wrap around do so at the edge of a cell.
#[inline(always)]
fn is_same_cell(one: u32, other: u32, shift: u32) -> bool {
    (one ^ other) >> shift == 0
}

/// The times and the units of hits, oldest first.
pub(super) type HitList = SmallVec<[(u32, u64); 12]>;

/// Merges hits if there are more than `most`. Returns whether there were.
pub(super) fn make_room(
    hits: &mut HitList,
    now: Now,
    windows: &Windows,
    entries: u32,
    most: usize,
) -> bool {
    if hits.len() <= most {
        return false;
    }
    let mut merged = HitList::with_capacity(hits.len());
    let mut rest = hits.as_slice();
    let mut shorter = windows.0.iter().rev().skip(1);
    for &window in windows.0.iter().rev() {
        // The hits that are too old for the next shorter window.
        let shorter = shorter.next();
        let is_older = |&(at, _): &(u32, u64)| shorter.is_none_or(|&it| now.has_left(at, it));
        let (segment, younger) = rest.split_at(rest.partition_point(is_older));
        rest = younger;
        let is_crowded = segment.len() > entries as usize;
        let shift = cell_shift(window, entries);
        let is_same = |one, other| is_crowded && is_same_cell(one, other, shift);
        for hits in segment.chunk_by(|one, other| is_same(one.0, other.0)) {
            merged.extend(as_one(hits));
        }
    }
    while merged.len() > most {
        let start = merged.len() % 2;
        let pairs = merged[start..].chunks(2).filter_map(as_one);
        merged = merged[..start].iter().copied().chain(pairs).collect();
    }
    *hits = merged;
    true
}

/// Hits merged into one, with the time of the latest.
fn as_one(hits: &[(u32, u64)]) -> Option<(u32, u64)> {
    let &(at, _) = hits.last()?;
    Some((at, hits.iter().map(|&(_, units)| units).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_the_largest_power_of_two_of_at_most_a_bth_of_the_window() {
        for entries in [1, 2, 3, 5, 7, 16, 100, 1_000, 1_024, MAX_ENTRIES] {
            for ticks in (0..31).flat_map(|bits| [1 << bits, (1 << bits) + 1, (2 << bits) - 1]) {
                let shift = cell_shift(ticks, entries);
                let cells = u64::from(entries) << shift;
                assert!(cells <= ticks.into() || shift == 0, "{ticks} {entries}");
                assert!(cells * 2 > ticks.into(), "{ticks} {entries}");
            }
        }
    }
}
