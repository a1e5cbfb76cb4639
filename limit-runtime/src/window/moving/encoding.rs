//! Changes of a log that few checks need: its hits become a list, the list changes, and the log is
//! made anew, in the smallest encoding for it.

use super::{
    hit::{Hit, SmallHit},
    inline::{self, INLINE, Inline},
    log::Log,
    merge::{HitList, Windows, joins_newest, make_room},
    query::{Query, Record},
    ring::{FEW, Ring, Storage},
    ticks::{Now, Scale, low, round_up},
};
use crate::window::Checked;
use limit_core::MAX_LIMITS;
use std::cmp::Ordering;

impl Log {
    /// Records a request, whatever has to change for it.
    #[cold]
    #[inline(never)]
    pub(super) fn record(&mut self, micros: u64, query: Query<'_>) {
        let query = &query;
        let scale = self.scale();
        let now = Now::new(micros, scale.shift);
        let windows = Windows::of(scale, query);
        let most = self.most_hits(&windows, query);
        if self.enlarge(now, most, query) {
            return;
        }
        let mut hits = self.hits(now);
        // A sum of more than 2^64 units cannot be represented: the oldest ones are forgotten.
        let held = sum(&hits);
        if query.cost > u64::MAX - held {
            forget_units(&mut hits, query.cost - (u64::MAX - held));
        }
        let window = windows.shortest();
        let within = |&&(at, _): &&(u32, u64)| !now.has_left(at, window);
        // Only a log with as many hits as are exact needs the count.
        let within = if hits.len() < query.entries as usize {
            0
        } else {
            low(hits.iter().filter(within).count() as u64)
        };
        let mut has_merged = self.has_merged();
        match hits.last_mut() {
            Some((at, units)) if joins_newest(within, *at, now, window, query.entries) => {
                *at = now.stamp;
                *units += query.cost;
                has_merged = true;
            }
            _ => hits.push((now.stamp, query.cost)),
        }
        if has_merged || !are_inline(&hits, query) {
            has_merged |= make_room(&mut hits, now, &windows, query.entries, most);
        }
        self.encode(&hits, has_merged, most, query);
    }

    /// Records a hit of one unit in a larger ring, if nothing else has to change, as in most logs
    /// that grow.
    fn enlarge(&mut self, now: Now, most: usize, query: &Query<'_>) -> bool {
        let Self::Units { ring, .. } = self else {
            return false;
        };
        let len = ring.len() as usize;
        let is_enough = ring.is_full() && query.cost == 1 && ring.len() < query.entries;
        if !is_enough || len >= most {
            return false;
        }
        query.heap.release(ring.heap_bytes());
        ring.grow(query.capacity_for(len + 1, most));
        ring.push(now.stamp, query.cost);
        query.heap.take(ring.heap_bytes());
        true
    }

    /// Makes the log ready for limits with other windows: its longest window becomes the longer of
    /// both, its ticks the coarser of both, and its hits stay.
    #[cold]
    pub(super) fn widen(
        &mut self,
        micros: u64,
        with: Scale,
        expires_at: &mut u64,
        query: &Query<'_>,
    ) {
        let scale = self.scale();
        let shift = scale.shift.max(with.shift);
        let in_ticks = |it: Scale| low(round_up(it.horizon.into(), shift - it.shift));
        let horizon = in_ticks(scale).max(in_ticks(with));
        if (Scale { shift, horizon }) == scale {
            return;
        }
        let now = Now::new(micros, scale.shift);
        let mut hits = self.hits(now);
        for (at, _) in &mut hits {
            *at = now.coarsened(*at, shift);
        }
        self.set_scale(Scale { shift, horizon });
        self.replace(&hits, self.has_merged(), query);
        if let Some(&(newest, _)) = hits.last() {
            *expires_at = Now::new(micros, shift).end_of(newest, horizon);
        }
    }

    /// A log with the hits of `from` that a key alone could have recorded under the limits of the
    /// query. `from` is a log of a clock that shows `there` when this one shows `here`. `None` if
    /// there are no such hits.
    pub(crate) fn inherited(
        from: &Self,
        there: u64,
        here: u64,
        query: &Query<'_>,
    ) -> Option<(Self, u64)> {
        let now = Now::new(there, from.scale().shift);
        let longest = query
            .limits
            .iter()
            .map(|limit| limit.window_millis() * 1_000);
        let longest = longest.max().unwrap_or(0);
        let mut log = Self::empty(query.scale);
        let mut expires_at = 0;
        for (at, units) in from.hits(now) {
            let recorded_at = here.saturating_sub(now.micros_since(at));
            // The log must not see a time at which all of its hits have left.
            if recorded_at + longest <= here {
                continue;
            }
            let peek = Query {
                record: Record::Never,
                cost: 0,
                ..*query
            };
            let peeked: Checked<MAX_LIMITS> = log.check(recorded_at, &peek, &mut expires_at);
            let outcomes = peeked.outcomes.iter().zip(query.limits);
            let room = outcomes.map(|(outcome, _)| outcome.left.remaining).min();
            let cost = units.min(room.unwrap_or(u64::MAX));
            if cost > 0 {
                let record = Record::Always;
                let record = Query {
                    cost,
                    record,
                    ..*query
                };
                log.check::<MAX_LIMITS>(recorded_at, &record, &mut expires_at);
            }
        }
        if expires_at > here {
            Some((log, expires_at))
        } else {
            query.heap.release(log.heap_bytes());
            None
        }
    }

    /// The hits within the longest window, oldest first.
    pub(super) fn hits(&self, now: Now) -> HitList {
        let mut hits: HitList = match self {
            Self::Inline { len, hits, .. } => {
                let alive = Inline::alive(hits, *len, now, self.scale().horizon);
                alive.oldest_first().map(|at| (at, 1)).collect()
            }
            Self::Units { ring, .. } => ring.iter().collect(),
            Self::Few { ring, .. } => ring.iter().collect(),
            Self::Small { ring, .. } => ring.iter().collect(),
            Self::Large { ring, .. } => ring.iter().collect(),
        };
        let horizon = self.scale().horizon;
        let left = hits.partition_point(|&(at, _)| now.has_left(at, horizon));
        hits.drain(..left);
        hits
    }

    /// Makes the log anew from a list of hits, in the smallest encoding. `has_merged`: some may
    /// have been merged.
    pub(super) fn replace(&mut self, hits: &HitList, has_merged: bool, query: &Query<'_>) {
        let most = self.most_hits(&Windows::of(self.scale(), query), query);
        self.encode(hits, has_merged, most, query);
    }

    /// Makes the log anew, for at most `most` hits.
    fn encode(&mut self, hits: &HitList, has_merged: bool, most: usize, query: &Query<'_>) {
        let (Scale { shift, horizon }, fill) = (self.scale(), self.fill());
        query.heap.release(self.heap_bytes());
        *self = if !has_merged && are_inline(hits, query) {
            let (mut inline, mut len) = ([0; INLINE], 0);
            for &(at, _) in hits {
                inline::push(&mut inline, at);
                len += 1;
            }
            Self::Inline {
                shift,
                fill,
                len,
                horizon,
                hits: inline,
            }
        } else if sum(hits) <= SmallHit::MAX_UNITS && hits.len() <= FEW {
            let ring = ring_of(hits, FEW);
            Self::Few {
                shift,
                fill,
                has_merged,
                horizon,
                ring,
            }
        } else if has_units_only(hits) {
            let ring = ring_of(hits, query.capacity_for(hits.len(), most));
            Self::Units {
                shift,
                fill,
                has_merged,
                horizon,
                ring,
            }
        } else if sum(hits) <= SmallHit::MAX_UNITS {
            let ring = ring_of(hits, query.capacity_for(hits.len(), most));
            Self::Small {
                shift,
                fill,
                has_merged,
                horizon,
                ring,
            }
        } else {
            let ring = Box::new(ring_of(hits, query.capacity_for(hits.len(), most)));
            Self::Large {
                shift,
                fill,
                has_merged,
                horizon,
                ring,
            }
        };
        query.heap.take(self.heap_bytes());
    }

    /// The largest number of hits that the log may have, which is less where memory is short.
    fn most_hits(&self, windows: &Windows, query: &Query<'_>) -> usize {
        let affordable = (query.heap.room() + self.heap_bytes()) / size_of::<SmallHit>();
        let useful = windows.capacity(query.entries).max(INLINE);
        useful.min(affordable).max(FEW)
    }

    /// The memory of its ring.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Units { ring, .. } => ring.heap_bytes(),
            Self::Few { ring, .. } => ring.heap_bytes(),
            Self::Small { ring, .. } => ring.heap_bytes(),
            Self::Large { ring, .. } => size_of_val(&**ring) + ring.heap_bytes(),
        }
    }
}

fn ring_of<H: Hit, S: Storage<H>>(hits: &HitList, capacity: usize) -> Ring<H, S> {
    let mut ring = Ring::with_capacity(capacity);
    for &(at, units) in hits {
        ring.push(at, units);
    }
    ring
}

/// Whether hits that were not merged are stored as the times of units in the log itself.
fn are_inline(hits: &HitList, query: &Query<'_>) -> bool {
    hits.len() <= INLINE.min(query.entries as usize) && has_units_only(hits)
}

fn has_units_only(hits: &HitList) -> bool {
    hits.iter().all(|&(_, units)| units == 1)
}

fn sum(hits: &HitList) -> u64 {
    hits.iter().map(|&(_, units)| units).sum()
}

/// Removes `units` of the oldest hits.
fn forget_units(hits: &mut HitList, mut units: u64) {
    hits.retain_mut(|(_, held)| match units.cmp(held) {
        Ordering::Less => {
            *held -= units;
            units = 0;
            true
        }
        Ordering::Equal | Ordering::Greater => {
            units -= *held;
            false
        }
    });
}
