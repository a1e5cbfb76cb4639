//! Up to ten hits of one unit each, stored in the log itself.

use super::{
    ticks::Now,
    usage::{Hits, LimitUse},
};

/// The number of hits that need no memory elsewhere: with them, an entry of the store fills one
/// cache line.
pub(super) const INLINE: usize = 10;

/// The times of hits of one unit each, the newest first. A new one moves the others, which takes
/// less than to find the places of a ring.
pub(super) type InlineHits = [u32; INLINE];

/// The hits that are in use: the first `len` of them.
#[derive(Clone, Copy)]
pub(super) struct Inline<'a> {
    hits: &'a InlineHits,
    pub(super) len: u8,
}

impl<'a> Inline<'a> {
    /// The hits in the longest window.
    #[inline(always)]
    pub(super) fn alive(hits: &'a InlineHits, mut len: u8, now: Now, horizon: u32) -> Self {
        while let Some(oldest) = len.checked_sub(1)
            && now.has_left(at(hits, oldest), horizon)
        {
            len = oldest;
        }
        Self { hits, len }
    }

    /// The times of all hits, oldest first.
    pub(super) fn oldest_first(self) -> impl Iterator<Item = u32> {
        let hits = self.hits.iter().take(self.len.into());
        hits.rev().copied()
    }
}

/// The number of a [`LimitUse`] is that of its hits, of which the first is the oldest.
impl Hits for Inline<'_> {
    #[inline(always)]
    fn within(&self, now: Now, window: u32, is_longest: bool) -> LimitUse {
        let all = self.len;
        let is_within = |newer| !now.has_left(at(self.hits, newer), window);
        let has_all = is_longest || all.checked_sub(1).is_some_and(is_within);
        let mut used = if has_all { all } else { 0 };
        while used < all && is_within(used) {
            used += 1;
        }
        LimitUse {
            used: used.into(),
            first: used.into(),
        }
    }

    #[inline]
    fn frees(&self, of: LimitUse, units: u64) -> u32 {
        let newer = u64::from(of.first).saturating_sub(units);
        at(self.hits, u8::try_from(newer).unwrap_or(0))
    }

    #[inline]
    fn first_at(&self, of: LimitUse) -> u32 {
        self.frees(of, 1)
    }

    #[inline]
    fn newest_at(&self) -> u32 {
        at(self.hits, 0)
    }
}

/// The time of the hit before which there are `newer` others, from the newest on.
#[inline]
fn at(hits: &InlineHits, newer: u8) -> u32 {
    hits.get(usize::from(newer)).copied().unwrap_or_default()
}

/// Records a hit before all others, of which the last is lost if there are [`INLINE`].
#[inline]
pub(super) fn push(hits: &mut InlineHits, time: u32) {
    hits.copy_within(..INLINE - 1, 1);
    hits[0] = time;
}
