//! A log: decides on requests and records them.

use super::{
    hit::{Hit, LargeHit, SmallHit, UnitHit},
    inline::{self, INLINE, Inline, InlineHits},
    merge::joins_newest,
    query::{Query, Record},
    ring::{FewHits, Ring, Storage},
    ticks::{Now, Scale},
    usage::{Hits, OVER_HALF, Uses},
};
use crate::{decision::OutcomeParts, window::Checked};
use limit_core::MAX_LIMITS;

/// The hits of one budget under the moving window.
///
/// Each encoding has the tick length and the longest window that the log was ever asked for, which
/// make up its [`Scale`], and how full the fullest limit was when a hit was last recorded; if there
/// may be merged hits, it says so.
#[derive(Debug)]
pub(crate) enum Log {
    /// Up to ten hits of one unit each.
    Inline {
        shift: u8,
        fill: u8,
        /// The number of hits.
        len: u8,
        horizon: u32,
        hits: InlineHits,
    },
    /// More hits of one unit each.
    Units {
        shift: u8,
        fill: u8,
        has_merged: bool,
        horizon: u32,
        ring: Ring<UnitHit>,
    },
    /// Up to three hits of any cost, in the log itself.
    Few {
        shift: u8,
        fill: u8,
        has_merged: bool,
        horizon: u32,
        ring: Ring<SmallHit, FewHits>,
    },
    /// More hits of any cost.
    Small {
        shift: u8,
        fill: u8,
        has_merged: bool,
        horizon: u32,
        ring: Ring<SmallHit>,
    },
    /// Hits of any cost, whose total exceeds 32 bits.
    Large {
        shift: u8,
        fill: u8,
        has_merged: bool,
        horizon: u32,
        ring: Box<Ring<LargeHit>>,
    },
}

/// How a check of a log went.
enum Step {
    /// The request was recorded.
    Recorded,
    /// It was not, because it was refused or only asked for.
    Unrecorded,
    /// It is allowed, and is to be recorded in a larger log.
    Grow,
    /// It is to be recorded although a limit refuses it, or by merging hits. There are no outcomes
    /// yet.
    RecordSlowly,
}

/// A ring with room for more than [`INLINE`] hits is replaced once it has only this many.
const SPARSE: u32 = 2;

impl Log {
    /// A log without hits.
    #[inline]
    pub(crate) fn empty(scale: Scale) -> Self {
        Self::Inline {
            shift: scale.shift,
            fill: 0,
            len: 0,
            horizon: scale.horizon,
            hits: [0; INLINE],
        }
    }

    /// Decides on a request at the microsecond `now` under at most `N` limits, and records it if
    /// wanted.
    ///
    /// The outcomes are returned rather than written to the caller's memory, and slow paths are
    /// functions of their own, so that the numbers of the fast path stay in registers.
    ///
    /// `expires_at` is the microsecond from which no hit counts any more. It must be later than
    /// `now`, unless the log is empty.
    #[inline(always)]
    pub(crate) fn check<const N: usize>(
        &mut self,
        now: u64,
        query: &Query<'_>,
        expires_at: &mut u64,
    ) -> Checked<N> {
        let scale = self.scale();
        if scale != query.scale {
            return self.check_other_scale(now, *query, expires_at).resized();
        }
        self.check_scaled(now, query, expires_at)
    }

    /// A check of limits whose longest window is another than that of the log.
    #[cold]
    #[inline(never)]
    fn check_other_scale(
        &mut self,
        now: u64,
        query: Query<'_>,
        expires_at: &mut u64,
    ) -> Checked<MAX_LIMITS> {
        self.widen(now, query.scale, expires_at, &query);
        self.check_scaled(now, &query, expires_at)
    }

    #[inline(always)]
    fn check_scaled<const N: usize>(
        &mut self,
        micros: u64,
        query: &Query<'_>,
        expires_at: &mut u64,
    ) -> Checked<N> {
        let scale = self.scale();
        let now = Now::new(micros, scale.shift);
        let (step, mut outcomes) = match self {
            Self::Inline {
                fill, len, hits, ..
            } => check_inline(hits, len, fill, now, scale, query),
            Self::Units {
                fill,
                has_merged,
                ring,
                ..
            } => check_ring(ring, (fill, has_merged), now, scale, query),
            Self::Few {
                fill,
                has_merged,
                ring,
                ..
            } => check_ring(ring, (fill, has_merged), now, scale, query),
            Self::Small {
                fill,
                has_merged,
                ring,
                ..
            } => check_ring(ring, (fill, has_merged), now, scale, query),
            Self::Large {
                fill,
                has_merged,
                ring,
                ..
            } => check_ring(&mut **ring, (fill, has_merged), now, scale, query),
        };
        match step {
            Step::Unrecorded => {
                return Checked {
                    is_recorded: false,
                    outcomes,
                };
            }
            Step::Recorded => {}
            Step::Grow => self.record(micros, *query),
            Step::RecordSlowly => {
                Checked { outcomes, .. } = self.record_slowly(micros, *query).resized();
            }
        }
        *expires_at = now.end_of(now.stamp, scale.horizon);
        Checked {
            is_recorded: true,
            outcomes,
        }
    }

    /// Records a request. Returns what is left afterwards, with the verdicts from before.
    #[cold]
    #[inline(never)]
    fn record_slowly(&mut self, micros: u64, query: Query<'_>) -> Checked<MAX_LIMITS> {
        let query = &query;
        let mut checked = self.peek(micros, query);
        let fill = self.fill_after(micros, query);
        self.record(micros, *query);
        *self.fill_mut() = fill;
        let after = self.peek(micros, query).outcomes;
        for (outcome, after) in checked.outcomes.iter_mut().zip(after) {
            outcome.left = after.left;
        }
        checked
    }

    #[inline(never)]
    fn peek(&mut self, micros: u64, query: &Query<'_>) -> Checked<MAX_LIMITS> {
        let peek = Query {
            record: Record::Never,
            ..*query
        };
        self.check_scaled(micros, &peek, &mut 0)
    }

    /// The scale of its times.
    #[inline]
    pub(super) fn scale(&self) -> Scale {
        let (&shift, &horizon) = match self {
            Self::Inline { shift, horizon, .. }
            | Self::Units { shift, horizon, .. }
            | Self::Few { shift, horizon, .. }
            | Self::Small { shift, horizon, .. }
            | Self::Large { shift, horizon, .. } => (shift, horizon),
        };
        Scale { shift, horizon }
    }

    /// Changes the scale, and not the times.
    pub(super) fn set_scale(&mut self, scale: Scale) {
        let (Self::Inline { shift, horizon, .. }
        | Self::Units { shift, horizon, .. }
        | Self::Few { shift, horizon, .. }
        | Self::Small { shift, horizon, .. }
        | Self::Large { shift, horizon, .. }) = self;
        (*shift, *horizon) = (scale.shift, scale.horizon);
    }

    /// Whether hits may have been merged since the log was empty.
    pub(super) fn has_merged(&self) -> bool {
        match self {
            Self::Inline { .. } => false,
            Self::Units { has_merged, .. }
            | Self::Few { has_merged, .. }
            | Self::Small { has_merged, .. }
            | Self::Large { has_merged, .. } => *has_merged,
        }
    }

    /// How full the fullest limit was when a hit was last recorded; see [`fill`](super::fill).
    #[inline]
    pub(crate) fn fill(&self) -> u8 {
        let (Self::Inline { fill, .. }
        | Self::Units { fill, .. }
        | Self::Few { fill, .. }
        | Self::Small { fill, .. }
        | Self::Large { fill, .. }) = self;
        *fill
    }

    /// See [`fill`](Self::fill).
    pub(crate) fn fill_mut(&mut self) -> &mut u8 {
        let (Self::Inline { fill, .. }
        | Self::Units { fill, .. }
        | Self::Few { fill, .. }
        | Self::Small { fill, .. }
        | Self::Large { fill, .. }) = self;
        fill
    }

    fn fill_after(&self, micros: u64, query: &Query<'_>) -> u8 {
        let scale = self.scale();
        let now = Now::new(micros, scale.shift);
        let uses: Uses<MAX_LIMITS> = match self {
            Self::Inline { hits, len, .. } => {
                let alive = Inline::alive(hits, *len, now, scale.horizon);
                Uses::of(&alive, now, scale, query)
            }
            Self::Units { ring, .. } => Uses::of(ring, now, scale, query),
            Self::Few { ring, .. } => Uses::of(ring, now, scale, query),
            Self::Small { ring, .. } => Uses::of(ring, now, scale, query),
            Self::Large { ring, .. } => Uses::of(&**ring, now, scale, query),
        };
        uses.fill_after(query)
    }
}

/// A check of hits in the log itself.
#[inline(always)]
fn check_inline<const N: usize>(
    hits: &mut InlineHits,
    len: &mut u8,
    fill: &mut u8,
    now: Now,
    scale: Scale,
    query: &Query<'_>,
) -> (Step, [OutcomeParts; N]) {
    let alive = Inline::alive(hits, *len, now, scale.horizon);
    let uses = Uses::<N>::of(&alive, now, scale, query);
    if !uses.allowed || query.record == Record::Never {
        return unrecorded(&alive, &uses, fill, now, query);
    }
    let before = alive.len;
    if u32::from(before) >= query.entries {
        return (Step::RecordSlowly, [OutcomeParts::default(); N]);
    }
    let outcomes = uses.recorded(&alive, now, query, None);
    *fill = uses.fill_after(query);
    if query.cost != 1 || usize::from(before) >= INLINE {
        return (Step::Grow, outcomes);
    }
    inline::push(hits, now.stamp);
    *len = before + 1;
    (Step::Recorded, outcomes)
}

/// A check of hits in a ring.
#[inline(always)]
fn check_ring<const N: usize, H: Hit, S: Storage<H>>(
    ring: &mut Ring<H, S>,
    (fill, has_merged): (&mut u8, &mut bool),
    now: Now,
    scale: Scale,
    query: &Query<'_>,
) -> (Step, [OutcomeParts; N]) {
    ring.forget(now, scale.horizon);
    let uses = Uses::<N>::of(&*ring, now, scale, query);
    if !uses.allowed || query.record == Record::Never {
        return unrecorded(&*ring, &uses, fill, now, query);
    }
    let merges = merges(ring, &uses, now, query);
    let can_take = if H::HAS_TOTALS {
        query.cost <= H::MAX_UNITS - ring.units()
    } else {
        query.cost == 1 && !merges
    };
    let has_room = merges || !ring.is_full();
    let is_sparse = ring.len() <= SPARSE && ring.capacity() > INLINE;
    let is_in_place = can_take && has_room && !is_sparse;
    if !is_in_place && ring.len() >= query.entries {
        return (Step::RecordSlowly, [OutcomeParts::default(); N]);
    }
    let merged_into = merges.then(|| ring.len() - 1);
    let outcomes = uses.recorded(&*ring, now, query, merged_into);
    *fill = uses.fill_after(query);
    if !is_in_place {
        return (Step::Grow, outcomes);
    }
    if merges {
        *has_merged = true;
        ring.merge_into_newest(now.stamp, query.cost);
    } else {
        ring.push(now.stamp, query.cost);
    }
    (Step::Recorded, outcomes)
}

/// The outcomes of a request that is refused, or only asked for. A client that is refused
/// counts as one that has used more than half of its limit.
#[inline(always)]
fn unrecorded<const N: usize>(
    hits: &impl Hits,
    uses: &Uses<N>,
    fill: &mut u8,
    now: Now,
    query: &Query<'_>,
) -> (Step, [OutcomeParts; N]) {
    if query.record == Record::Always {
        return (Step::RecordSlowly, [OutcomeParts::default(); N]);
    }
    if query.record == Record::IfAllowed {
        *fill = OVER_HALF;
    }
    (Step::Unrecorded, uses.unrecorded(hits, now, query))
}

/// Whether a hit is [merged into the newest one](joins_newest).
#[inline(always)]
fn merges<const N: usize, H: Hit, S: Storage<H>>(
    ring: &Ring<H, S>,
    uses: &Uses<N>,
    now: Now,
    query: &Query<'_>,
) -> bool {
    if ring.len() < query.entries {
        return false;
    }
    let (window, first) = uses.shortest(query);
    let within = ring.len() - first;
    joins_newest(within, ring.newest_at(), now, window, query.entries)
}

const _: () = assert!(size_of::<Log>() == 48);
