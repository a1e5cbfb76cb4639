//! Which hits may merge once a log is full: the promise of a bounded log.
//!
//! Past B entries, those that lie in one cell of a grid become one, at the time of the latest. The
//! cells of a window of length T are T/B long, so no hit counts longer than T + T/B, and a steady
//! flood still gets B/(B+1) of the count. Merging whatever two hits are closest would promise less:
//! under a flood these are always the two newest, and all of it would pile up in one entry that
//! leaves at the very end.
//!
//! Several limits share a log. A hit that is too old for the shorter window merges by the cells of
//! the next longer one, and only if more than B hits lie between the two: so each limit is exact
//! while its own window holds up to B hits, whatever longer windows beside it hold. Each grid is a
//! multiple of the one before, so that the delays of a hit that merges twice do not add up.

use smallvec::SmallVec;

/// The most entries that can be asked for: with eight limits, the log stays below 2^18 entries.
pub(crate) const MAX_ENTRIES: u32 = 1 << 14;

/// How coarse a log may become.
#[derive(Debug)]
pub(crate) struct Resolution {
    entries: u32,
    /// Oldest last.
    segments: SmallVec<[Segment; 4]>,
}

/// The hits that are too old for one window, and not for the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Ticks: the length of the window that these are too old for.
    pub(super) youngest: u64,
    /// Ticks: the length of the window that they count in.
    window: u64,
    /// Ticks: the cells of its grid.
    cell: u64,
}

impl Resolution {
    /// For windows of these lengths, in ticks.
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

    /// Up to so many hits, each window is exact.
    pub(super) fn entries(&self) -> u32 {
        self.entries
    }

    /// How many entries there may be: merging always makes room below it.
    pub(crate) fn capacity(&self) -> usize {
        let entries = self.entries as usize;
        match self.segments.len() {
            0 | 1 => Self::capacity_of_one(self.entries),
            windows => windows * 2 * (entries + 1),
        }
    }

    /// The same where there is one window. Some more than is promised, so that a full log is not
    /// gone through for each cell of its grid.
    #[inline]
    pub(crate) fn capacity_of_one(entries: u32) -> usize {
        let entries = entries.clamp(1, MAX_ENTRIES) as usize;
        entries + entries / 16 + 2
    }

    pub(super) fn shortest(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.window)
    }

    /// Whether two hits that are young enough for every window may merge.
    pub(super) fn merges_young(&self, now: u64, older: u64, younger: u64) -> bool {
        let segment = self.segments.first();
        segment.is_some_and(|segment| older < segment.window && segment.merges(now, older, younger))
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = Segment> {
        self.segments.iter().rev().copied()
    }
}

/// The cells of the grid on which the hits in a window of this length merge, in ticks.
pub(crate) fn grid(window: u64, entries: u32) -> u64 {
    window.div_ceil(entries.clamp(1, MAX_ENTRIES).into()).max(1)
}

impl Segment {
    /// Whether hits of these ages lie in one cell.
    pub(super) fn merges(self, now: u64, older: u64, younger: u64) -> bool {
        now.saturating_sub(older) / self.cell == now.saturating_sub(younger) / self.cell
    }
}
