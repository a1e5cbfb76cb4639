//! Which hits may be merged once a log is full, so that its memory is bounded.
//!
//! Beyond B entries, all hits in one cell of a grid become one, with the time of the latest. The
//! cells of a window of length T are T/B long, so no hit counts for longer than T + T/B, and a
//! steady flood still gets B/(B+1) of the count. Merging the two closest hits would guarantee less:
//! under a flood these are always the two newest, so all hits would end in one entry that leaves
//! last.
//!
//! Several limits share a log. A hit that is too old for a shorter window is merged on the grid of
//! the next longer one, and only if there are more than B hits between the two windows. So each
//! limit is exact while its window holds up to B hits, whatever longer windows hold. Each grid is a
//! multiple of the previous one, so the delays of a hit that is merged twice do not add up.

use smallvec::SmallVec;

/// The largest setting of B. With eight limits, a log has fewer than 2^18 entries.
pub(crate) const MAX_ENTRIES: u32 = 1 << 14;

/// The grids of a log.
#[derive(Debug)]
pub(crate) struct Resolution {
    entries: u32,
    /// From the shortest window to the longest.
    segments: SmallVec<[Segment; 4]>,
}

/// The hits that are too old for one window and not for the next longer one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// The length of the window that these are too old for, in ticks.
    pub(super) youngest: u64,
    /// The length of the window that they count in, in ticks.
    window: u64,
    /// The length of a cell of its grid, in ticks.
    cell: u64,
}

impl Resolution {
    /// The grids for windows of these lengths, in ticks.
    pub(crate) fn new(entries: u32, windows: impl IntoIterator<Item = u64>) -> Self {
        let mut windows: SmallVec<[u64; 8]> = windows.into_iter().collect();
        windows.sort_unstable();
        windows.dedup();
        let entries = entries.clamp(1, MAX_ENTRIES);
        let mut segments: SmallVec<[Segment; 4]> = SmallVec::new();
        for window in windows {
            let cell = match segments.last() {
                None => grid(window, entries),
                Some(last) => last.cell * (window / last.cell / u64::from(entries)).max(1),
            };
            segments.push(Segment {
                youngest: segments.last().map_or(0, |last| last.window),
                window,
                cell,
            });
        }
        Self { entries, segments }
    }

    /// B: the number of hits up to which each window is exact.
    pub(super) fn entries(&self) -> u32 {
        self.entries
    }

    /// The largest number of entries. Merging always makes room below it.
    pub(crate) fn capacity(&self) -> usize {
        let entries = self.entries as usize;
        match self.segments.len() {
            0 | 1 => Self::capacity_of_one(self.entries),
            windows => windows * 2 * (entries + 1),
        }
    }

    /// The capacity for one window. It is larger than B, so that a full log is not searched for
    /// each cell of its grid.
    #[inline]
    pub(crate) fn capacity_of_one(entries: u32) -> usize {
        let entries = entries.clamp(1, MAX_ENTRIES) as usize;
        entries + entries / 16 + 2
    }

    pub(super) fn shortest(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.window)
    }

    /// Whether two hits that count in every window may be merged.
    pub(super) fn merges_young(&self, now: u64, older: u64, younger: u64) -> bool {
        let segment = self.segments.first();
        segment.is_some_and(|segment| older < segment.window && segment.merges(now, older, younger))
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = Segment> {
        self.segments.iter().rev().copied()
    }
}

/// The length of a grid cell for a window of this length, in ticks.
pub(crate) fn grid(window: u64, entries: u32) -> u64 {
    window.div_ceil(entries.clamp(1, MAX_ENTRIES).into()).max(1)
}

impl Segment {
    /// Whether hits of these ages are in one cell.
    pub(super) fn merges(self, now: u64, older: u64, younger: u64) -> bool {
        now.saturating_sub(older) / self.cell == now.saturating_sub(younger) / self.cell
    }
}
