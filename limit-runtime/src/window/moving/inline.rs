//! Up to ten hits of one unit each, stored in the log itself.

use super::{
    ticks::Now,
    usage::{Hits, LimitUse},
};

/// The number of hits that need no memory elsewhere: with them, an entry of the store fills one
/// cache line.
pub(super) const INLINE: usize = 10;

/// [`INLINE`] as the type of places.
const PLACES: u8 = 10;
const _: () = assert!(PLACES as usize == INLINE);

/// The times of hits of one unit each, in a ring.
pub(super) type InlineHits = [u32; INLINE];

/// Which places of the ring are in use, in one byte: the number of hits in the lower half, and the
/// place of the newest in the upper half.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places(u8);

impl Places {
    /// The number of hits.
    #[inline]
    pub(super) fn len(self) -> u8 {
        self.0 & 0xf
    }

    #[inline]
    fn newest(self) -> u8 {
        self.0 >> 4
    }

    /// Without the oldest hits, so that `len` are left.
    #[inline]
    fn with_len(self, len: u8) -> Self {
        Self(self.0 & 0xf0 | len)
    }
}

/// The hits that are in use.
#[derive(Clone, Copy)]
pub(super) struct Inline<'a> {
    hits: &'a InlineHits,
    pub(super) places: Places,
}

impl<'a> Inline<'a> {
    /// The hits in the longest window.
    #[inline(always)]
    pub(super) fn alive(hits: &'a InlineHits, places: Places, now: Now, horizon: u32) -> Self {
        let mut alive = Self { hits, places };
        let mut len = places.len();
        while let Some(oldest) = len.checked_sub(1)
            && now.has_left(alive.at(oldest), horizon)
        {
            len = oldest;
        }
        alive.places = places.with_len(len);
        alive
    }

    /// The time of the hit before which there are `newer` others, from the newest on.
    #[inline]
    fn at(self, newer: u8) -> u32 {
        let place = self.places.newest().wrapping_sub(newer);
        let place = if place < 16 {
            place
        } else {
            place.wrapping_add(PLACES)
        };
        self.hits
            .get(usize::from(place))
            .copied()
            .unwrap_or_default()
    }

    /// The times of all hits, oldest first.
    pub(super) fn oldest_first(self) -> impl Iterator<Item = u32> {
        (0..self.places.len())
            .rev()
            .map(move |newer| self.at(newer))
    }
}

/// The number of a [`LimitUse`] is that of its hits, of which the first is the oldest.
impl Hits for Inline<'_> {
    #[inline(always)]
    fn within(&self, now: Now, window: u32, is_longest: bool) -> LimitUse {
        let all = self.places.len();
        let is_within = |newer| !now.has_left(self.at(newer), window);
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
        self.at(u8::try_from(newer).unwrap_or(0))
    }

    #[inline]
    fn first_at(&self, of: LimitUse) -> u32 {
        self.frees(of, 1)
    }

    #[inline]
    fn newest_at(&self) -> u32 {
        self.at(0)
    }
}

/// Records a hit beside those in `places`, of which there are less than [`INLINE`]. Returns the
/// places that are in use then.
#[inline]
pub(super) fn push(hits: &mut InlineHits, places: Places, at: u32) -> Places {
    let next = places.newest() + 1;
    let next = if usize::from(next) < INLINE { next } else { 0 };
    if let Some(hit) = hits.get_mut(usize::from(next)) {
        *hit = at;
    }
    Places(next << 4 | (places.len() + 1))
}
