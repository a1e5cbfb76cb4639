//! The log of the moving window: in a cell, or in a ring when it outgrows the cell.

use super::{
    cell::{Cell, State},
    kept::{Kept, Rings, shape_of},
    shard::{Inherited, Shard},
    slab::rounded,
    slot::Slot,
    write::{Tier, Write},
};
use crate::{
    clock::Ticks,
    window::moving::{Entry, Hit, Log, Narrow, RingRange, Stamp, View},
};
use smallvec::SmallVec;
use std::time::Duration;

/// A query that works on every encoding of a log.
pub(super) trait Ask: Sized {
    /// The result.
    type Answer;

    /// The result for this log.
    fn ask<E: Entry>(self, log: View<'_, E>) -> Self::Answer;

    /// The result for a log of 32-bit times.
    #[inline]
    fn of_kept<const MICROS: u64>(
        self,
        cell: &Cell,
        rings: &Rings<MICROS>,
        kept: &Kept<MICROS>,
    ) -> Self::Answer {
        match kept {
            Kept::Units { hits, len } => self.ask(narrow_view(cell, hits, shape_of(*len))),
            Kept::Pair { hits, len } => self.ask(narrow_view(cell, hits, shape_of(*len))),
            Kept::UnitRing { slot, shape, .. } => {
                self.ask(narrow_view(cell, rings.units.get(*slot), *shape))
            }
            Kept::Ring { slot, shape } => {
                self.ask(narrow_view(cell, rings.hits.get(*slot), *shape))
            }
        }
    }
}

/// The time of the newest hit of a log.
pub(super) struct Newest;

impl Ask for Newest {
    type Answer = Ticks;

    #[inline]
    fn ask<E: Entry>(self, log: View<'_, E>) -> Ticks {
        log.newest
    }
}

/// The units consumed within this duration before now.
struct Sum(Ticks, Duration);

impl Ask for Sum {
    type Answer = u64;

    fn ask<E: Entry>(self, log: View<'_, E>) -> u64 {
        log.sum(self.0, self.1)
    }
}

/// All hits, with times in microseconds.
struct InMicros;

impl Ask for InMicros {
    type Answer = SmallVec<[Hit<u64>; 4]>;

    fn ask<E: Entry>(self, log: View<'_, E>) -> Self::Answer {
        log.to_micros().collect()
    }
}

/// A log whose times are cut to 32 bits.
#[inline]
fn narrow_view<'a, const MICROS: u64, E: Entry<Stamp = Narrow<MICROS>>>(
    cell: &Cell,
    hits: &'a [E],
    shape: RingRange,
) -> View<'a, E> {
    let newest = newest(hits, shape).map_or(0, |hit| newest_and_horizon(cell, hit.at()).0);
    View {
        hits,
        shape,
        newest: Ticks::from_micros(newest.saturating_mul(MICROS)),
    }
}

/// A log whose times are whole.
pub(super) fn wide_view(hits: &[Hit<u64>], shape: RingRange) -> View<'_, Hit<u64>> {
    let newest = newest(hits, shape).map_or(0, |hit| hit.at);
    View {
        hits,
        shape,
        newest: Ticks::from_micros(newest),
    }
}

/// The new state after `before` when a request is recorded.
#[inline]
pub(super) fn record(
    shard: &mut Shard,
    before: Option<Cell>,
    slot: &Slot<'_>,
    now: Ticks,
    entries: u32,
) -> Cell {
    let stamp_millis = now.as_micros().div_ceil(1_000);
    let mut longest = 0;
    let mut shortest = u64::MAX;
    for limit in slot.limits {
        longest = longest.max(limit.window_millis());
        shortest = shortest.min(limit.window_millis());
    }
    let horizon = match &before {
        Some(cell) => longest.max(horizon(shard, cell)),
        None => longest,
    };
    let write = Write {
        slot,
        now,
        horizon,
        entries,
    };
    let tier = match &before {
        Some(cell) if !has_room(shard, cell, &write) => Tier::Wide,
        _ => Tier::of(shortest, horizon),
    };
    let state = match (before.and_then(|cell| Some((cell, cell.state()?))), tier) {
        (None, tier) => write.first(tier),
        (Some((_, State::Fine(kept))), Tier::Fine) => {
            State::Fine(write.narrow(&mut shard.fine, kept))
        }
        (Some((_, State::Coarse(kept))), Tier::Coarse) => {
            State::Coarse(write.narrow(&mut shard.coarse, kept))
        }
        (Some((cell, state)), _) => {
            let (slot, shape) = match state {
                State::WideRing { slot, shape } => (slot, shape),
                _ => widen(shard, &cell, state),
            };
            let (slot, shape) = write.to_ring(&mut shard.wide_rings, slot, shape);
            State::WideRing { slot, shape }
        }
    };
    let fresh_at = stamp_millis.saturating_add(horizon);
    Cell::new(slot.owner.low, slot.variant, state, fresh_at)
}

/// The state of `cell` after a refund of up to `cost` units of the hit at `at`. `None` if it is not
/// a log.
pub(super) fn refund(shard: &mut Shard, cell: &Cell, at: Ticks, cost: u64) -> Option<State> {
    Some(match cell.state()? {
        State::Fine(kept) => State::Fine(refund_kept(&mut shard.fine, cell, kept, at, cost)),
        State::Coarse(kept) => State::Coarse(refund_kept(&mut shard.coarse, cell, kept, at, cost)),
        State::Single(hit) => {
            let mut hits = [hit];
            let newest = Ticks::from_micros(hit.at);
            refund_hit(&mut hits, shape_of(1), newest, at, cost);
            let [hit] = hits;
            State::Single(hit)
        }
        State::WideRing { slot, shape } => {
            let newest = wide_view(shard.wide_rings.get(slot), shape).newest;
            refund_hit(shard.wide_rings.get_mut(slot), shape, newest, at, cost);
            State::WideRing { slot, shape }
        }
        State::Counter(_) | State::WideCounter { .. } => return None,
    })
}

/// Whether the totals of a log fit in 32 bits with `cost` more. If not, it moves to 64-bit totals.
#[inline]
fn has_room(shard: &Shard, cell: &Cell, write: &Write<'_>) -> bool {
    if !cell.has_narrow_totals() && write.slot.cost < 1 << 31 {
        // A log without totals has far less than 2^31 hits.
        return true;
    }
    has_room_for_totals(shard, cell, write)
}

#[cold]
fn has_room_for_totals(shard: &Shard, cell: &Cell, write: &Write<'_>) -> bool {
    let held = match cell.state() {
        Some(State::Fine(kept)) => shard.fine.held(&kept),
        Some(State::Coarse(kept)) => shard.coarse.held(&kept),
        _ => 0,
    };
    if held + write.slot.cost <= u32::MAX.into() {
        return true;
    }
    // Some of these hits may no longer count.
    let window = Duration::from_millis(write.horizon);
    let counts = shard.read(Some(cell), Sum(write.now, window));
    counts + write.slot.cost <= u32::MAX.into()
}

/// The refund for a log of 32-bit times, which has totals afterwards.
fn refund_kept<const MICROS: u64>(
    rings: &mut Rings<MICROS>,
    cell: &Cell,
    kept: Kept<MICROS>,
    at: Ticks,
    cost: u64,
) -> Kept<MICROS> {
    let kept = rings.weigh(kept);
    let newest = Newest.of_kept(cell, rings, &kept);
    match kept {
        Kept::Pair { mut hits, len } => {
            refund_hit(&mut hits, shape_of(len), newest, at, cost);
            Kept::Pair { hits, len }
        }
        Kept::Ring { slot, shape } => {
            refund_hit(rings.hits.get_mut(slot), shape, newest, at, cost);
            kept
        }
        kept => kept,
    }
}

/// A log that begins with everything `cell` counts, in a shard whose time is `there`.
pub(super) fn bequeath(
    shard: &Shard,
    cell: &Cell,
    slot: &Slot<'_>,
    now: Ticks,
    there: Ticks,
) -> Option<Inherited> {
    let horizon = horizon(shard, cell);
    let total = shard.read(Some(cell), Sum(now, Duration::from_millis(horizon)));
    if total == 0 {
        return None;
    }
    let heir = Slot {
        cost: total,
        ..*slot
    };
    let write = Write {
        slot: &heir,
        now: there,
        horizon,
        entries: 1,
    };
    let stamp_millis = there.as_micros().div_ceil(1_000);
    let state = write.first(Tier::of(horizon, horizon));
    let fresh_at = stamp_millis.saturating_add(horizon);
    Some(Inherited { state, fresh_at })
}

/// The longest window, in milliseconds, that a log was ever used with. Its newest hit expires after
/// this time.
#[inline]
fn horizon(shard: &Shard, cell: &Cell) -> u64 {
    let newest = shard.read(Some(cell), Newest).as_micros();
    cell.fresh_at().saturating_sub(newest.div_ceil(1_000))
}

/// Ticks from the newest hit to the millisecond of the log's expiry.
#[expect(
    clippy::cast_possible_truncation,
    reason = "their difference has 32 bits"
)]
fn ticks_to_fresh<const MICROS: u64>(cell: &Cell, newest: Narrow<MICROS>) -> u64 {
    newest.until(Narrow(fresh_ticks(cell, MICROS) as u32))
}

/// The time of the newest hit of a log in ticks, and for how many milliseconds it counts.
#[inline]
pub(super) fn newest_and_horizon<const MICROS: u64>(
    cell: &Cell,
    newest: Narrow<MICROS>,
) -> (u64, u64) {
    let ahead = ticks_to_fresh(cell, newest);
    (fresh_ticks(cell, MICROS) - ahead, ahead * MICROS / 1_000)
}

fn fresh_ticks(cell: &Cell, micros: u64) -> u64 {
    cell.fresh_at() * (1_000 / micros)
}

fn newest<E: Entry>(hits: &[E], shape: RingRange) -> Option<E> {
    let last = shape.len.checked_sub(1)?;
    hits.get(shape.place(last, hits.len())).copied()
}

/// Moves a log to 64-bit times.
#[cold]
fn widen(shard: &mut Shard, cell: &Cell, state: State) -> (u32, RingRange) {
    let mut hits = shard.read(Some(cell), InMicros);
    match state {
        State::Fine(kept) => shard.fine.free(&kept),
        State::Coarse(kept) => shard.coarse.free(&kept),
        _ => {}
    }
    let len = u32::try_from(hits.len()).unwrap_or(0);
    let slot = shard.wide_rings.insert(rounded(hits.len()));
    let log = Log {
        hits: &mut hits,
        shape: shape_of(len),
    };
    let shape = log.copy_to(shard.wide_rings.get_mut(slot));
    (slot, shape)
}

fn refund_hit<T: Stamp>(
    hits: &mut [Hit<T>],
    shape: RingRange,
    newest: Ticks,
    at: Ticks,
    cost: u64,
) {
    let at = at.as_micros().div_ceil(T::MICROS);
    let Some(age) = (newest.as_micros() / T::MICROS).checked_sub(at) else {
        return;
    };
    Log { hits, shape }.refund(age, cost);
}
