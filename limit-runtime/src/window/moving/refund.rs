//! Refunds: units of one time are taken out of a log, in place.

use super::{
    hit::Hit,
    inline::{self, INLINE, Inline, InlineHits},
    log::Log,
    merge::may_be_merged,
    ring::{Ring, Storage},
    ticks::{Now, Scale, low},
    usage::Hits,
};
use smallvec::SmallVec;
use std::mem;

/// Takes units of the hits of one time, or of the hit they were merged into.
struct Taker {
    /// What is left to take.
    rest: u64,
    /// When the hits were recorded that are taken from.
    at: u32,
    /// Of several hits of one time, only the last may have been merged into the next one.
    may_be_in_next: bool,
}

impl Taker {
    /// How many of the units of a hit are taken. Hits are shown in their order.
    fn take(&mut self, at: u32, units: u64) -> u64 {
        if at != self.at {
            if !mem::take(&mut self.may_be_in_next) {
                self.rest = 0;
            }
            self.at = at;
        }
        let taken = self.rest.min(units);
        self.rest -= taken;
        taken
    }
}

impl Log {
    /// Refunds up to `cost` units that were recorded at the microsecond `at`, of the hits of that
    /// time or of the hit they were merged into.
    pub(crate) fn refund(
        &mut self,
        micros: u64,
        at: u64,
        cost: u64,
        entries: u32,
        expires_at: &mut u64,
    ) {
        let scale = self.scale();
        let now = Now::new(micros, scale.shift);
        let Some(stamp) = now.stamp_of(at) else {
            return;
        };
        let has_merged = self.has_merged();
        let taker = |place: u32, at: u32| {
            // A hit before the first one has left, or is of a log that was reset, unless it was
            // merged into the first one.
            let is_in_first = || {
                has_merged
                    && !now.has_left(stamp, scale.horizon)
                    && may_be_merged(stamp, at, scale.horizon, entries)
            };
            (at == stamp || place > 0 || is_in_first()).then_some(Taker {
                rest: cost,
                at,
                may_be_in_next: has_merged && at == stamp,
            })
        };
        let new_end = match self {
            Self::Inline { len, hits, .. } => refund_inline(hits, len, now, scale, stamp, taker),
            Self::Units { ring, .. } => refund_in(ring, now, scale, stamp, taker),
            Self::Few { ring, .. } => refund_in(ring, now, scale, stamp, taker),
            Self::Small { ring, .. } => refund_in(ring, now, scale, stamp, taker),
            Self::Large { ring, .. } => refund_in(&mut **ring, now, scale, stamp, taker),
        };
        if let Some(new_end) = new_end {
            *expires_at = new_end;
        }
    }
}

/// Refunds hits in the log itself. Returns when nothing counts any more of what is left; `None` if
/// nothing was taken.
fn refund_inline(
    hits: &mut InlineHits,
    len: &mut u8,
    now: Now,
    scale: Scale,
    stamp: u32,
    taker: impl FnOnce(u32, u32) -> Option<Taker>,
) -> Option<u64> {
    let alive = Inline::alive(hits, *len, now, scale.horizon);
    let mut times: SmallVec<[u32; INLINE]> = alive.oldest_first().collect();
    let first = times.partition_point(|&hit| now.age(hit) > now.age(stamp));
    let mut taker = taker(low(first as u64), *times.get(first)?)?;
    let mut place = 0;
    times.retain(|hit| {
        place += 1;
        place <= first || taker.take(*hit, 1) == 0
    });
    *len = 0;
    for &hit in &times {
        inline::push(hits, hit);
        *len += 1;
    }
    Some(end_of(times.last().copied(), now, scale))
}

/// Refunds hits in a ring. Returns as [`refund_inline`].
fn refund_in<H: Hit, S: Storage<H>>(
    ring: &mut Ring<H, S>,
    now: Now,
    scale: Scale,
    stamp: u32,
    taker: impl FnOnce(u32, u32) -> Option<Taker>,
) -> Option<u64> {
    ring.forget(now, scale.horizon);
    if now.has_left(ring.newest_at(), scale.horizon) {
        return None;
    }
    let (first, at) = ring.first_at_or_after(now, stamp)?;
    let mut taker = taker(first, at)?;
    ring.take(first, |at, units| taker.take(at, units));
    let newest = (ring.len() > 0).then(|| ring.newest_at());
    Some(end_of(newest, now, scale))
}

/// When nothing counts any more of a log with this newest hit.
fn end_of(newest: Option<u32>, now: Now, scale: Scale) -> u64 {
    newest.map_or(0, |newest| now.end_of(newest, scale.horizon))
}
