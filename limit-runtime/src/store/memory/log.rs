//! The moving window's log in a cell, and where it goes when it outgrows it.

use super::{
    cell::{Cell, State},
    shard::Shard,
    slot::Slot,
    write::{Grown, Tier, Write},
};
use crate::{
    clock::Ticks,
    window::moving::{Hit, Log, Narrow, Shape, Stamp, View},
};
use smallvec::SmallVec;

/// A log whose times are cut to 32 bits.
#[inline]
pub(super) fn narrow_view<'a, const MICROS: u64>(
    cell: &Cell,
    hits: &'a [Hit<Narrow<MICROS>>],
    shape: Shape,
) -> View<'a, Narrow<MICROS>> {
    let newest = newest(hits, shape).map_or(0, |hit| newest_and_horizon(cell, hit).0);
    View {
        hits,
        shape,
        newest: Ticks::from_micros(newest.saturating_mul(MICROS)),
    }
}

/// A log whose times are whole.
pub(super) fn wide_view(hits: &[Hit<u64>], shape: Shape) -> View<'_, u64> {
    let newest = newest(hits, shape).map_or(0, |hit| hit.at);
    View {
        hits,
        shape,
        newest: Ticks::from_micros(newest),
    }
}

/// What `before` becomes when a request is recorded.
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
    let tier = Tier::of(shortest, horizon);
    let state = match (before.and_then(|cell| Some((cell, cell.state()?))), tier) {
        (None, tier) => write.first(tier),
        (Some((_, State::FinePair { hits, len })), Tier::Fine) => {
            match write.to_pair(&mut shard.fine_rings, hits, len) {
                Grown::Pair(hits, len) => State::FinePair { hits, len },
                Grown::Ring(slot, shape) => State::FineRing { slot, shape },
            }
        }
        (Some((_, State::FineRing { slot, shape })), Tier::Fine) => State::FineRing {
            slot,
            shape: write.to_ring(&mut shard.fine_rings, slot, shape),
        },
        (Some((_, State::CoarsePair { hits, len })), Tier::Coarse) => {
            match write.to_pair(&mut shard.coarse_rings, hits, len) {
                Grown::Pair(hits, len) => State::CoarsePair { hits, len },
                Grown::Ring(slot, shape) => State::CoarseRing { slot, shape },
            }
        }
        (Some((_, State::CoarseRing { slot, shape })), Tier::Coarse) => State::CoarseRing {
            slot,
            shape: write.to_ring(&mut shard.coarse_rings, slot, shape),
        },
        (Some((cell, state)), _) => {
            let (slot, shape) = match state {
                State::WideRing { slot, shape } => (slot, shape),
                _ => widen(shard, &cell, state),
            };
            State::WideRing {
                slot,
                shape: write.to_ring(&mut shard.wide_rings, slot, shape),
            }
        }
    };
    let fresh_at = stamp_millis.saturating_add(horizon);
    Cell::new(slot.owner.low, slot.variant, state, fresh_at)
}

/// What `cell` holds once up to `cost` units of the hit at `at` are given back; `None` if that is elsewhere.
pub(super) fn refund(shard: &mut Shard, cell: &Cell, at: Ticks, cost: u32) -> Option<State> {
    match cell.state()? {
        State::FinePair { mut hits, len } => {
            let newest = narrow_view(cell, &hits, pair_shape(len)).newest;
            refund_hit(&mut hits, pair_shape(len), newest, at, cost);
            Some(State::FinePair { hits, len })
        }
        State::CoarsePair { mut hits, len } => {
            let newest = narrow_view(cell, &hits, pair_shape(len)).newest;
            refund_hit(&mut hits, pair_shape(len), newest, at, cost);
            Some(State::CoarsePair { hits, len })
        }
        State::Single(hit) => {
            let mut hits = [hit];
            refund_hit(
                &mut hits,
                pair_shape(1),
                Ticks::from_micros(hit.at),
                at,
                cost,
            );
            let [hit] = hits;
            Some(State::Single(hit))
        }
        State::FineRing { slot, shape } => {
            let newest = narrow_view(cell, shard.fine_rings.get(slot), shape).newest;
            refund_hit(shard.fine_rings.get_mut(slot), shape, newest, at, cost);
            None
        }
        State::CoarseRing { slot, shape } => {
            let newest = narrow_view(cell, shard.coarse_rings.get(slot), shape).newest;
            refund_hit(shard.coarse_rings.get_mut(slot), shape, newest, at, cost);
            None
        }
        State::WideRing { slot, shape } => {
            let newest = wide_view(shard.wide_rings.get(slot), shape).newest;
            refund_hit(shard.wide_rings.get_mut(slot), shape, newest, at, cost);
            None
        }
        State::Fixed(_) | State::Sliding(_) | State::Gcra(_) => None,
    }
}

/// A log that begins with all that `cell` counts.
pub(super) fn bequeath(shard: &Shard, cell: &Cell, slot: &Slot<'_>, now: Ticks) -> Option<Cell> {
    let horizon = horizon(shard, cell);
    let window = std::time::Duration::from_millis(horizon);
    let total = shard.read(
        Some(cell),
        |log| log.sum(now, window),
        |log| log.sum(now, window),
        |log| log.sum(now, window),
    );
    if total == 0 {
        return None;
    }
    let heir = Slot {
        cost: total,
        ..*slot
    };
    let write = Write {
        slot: &heir,
        now,
        horizon,
        entries: 1,
    };
    let stamp_millis = now.as_micros().div_ceil(1_000);
    let state = write.first(Tier::of(horizon, horizon));
    let fresh_at = stamp_millis.saturating_add(horizon);
    Some(Cell::new(slot.owner.low, slot.variant, state, fresh_at))
}

/// The longest window, in milliseconds, that was ever asked of a log: its newest hit is forgotten so long after it came.
fn horizon(shard: &Shard, cell: &Cell) -> u64 {
    match cell.state() {
        Some(State::FinePair { hits, len }) => narrow_horizon(cell, &hits, pair_shape(len)),
        Some(State::FineRing { slot, shape }) => {
            narrow_horizon(cell, shard.fine_rings.get(slot), shape)
        }
        Some(State::CoarsePair { hits, len }) => narrow_horizon(cell, &hits, pair_shape(len)),
        Some(State::CoarseRing { slot, shape }) => {
            narrow_horizon(cell, shard.coarse_rings.get(slot), shape)
        }
        Some(State::Single(hit)) => wide_horizon(cell, hit.at),
        Some(State::WideRing { slot, shape }) => {
            let at = newest(shard.wide_rings.get(slot), shape).map_or(0, |hit| hit.at);
            wide_horizon(cell, at)
        }
        Some(State::Fixed(_) | State::Sliding(_) | State::Gcra(_)) | None => 0,
    }
}

fn narrow_horizon<const MICROS: u64>(
    cell: &Cell,
    hits: &[Hit<Narrow<MICROS>>],
    shape: Shape,
) -> u64 {
    newest(hits, shape).map_or(0, |hit| newest_and_horizon(cell, hit).1)
}

fn wide_horizon(cell: &Cell, newest: u64) -> u64 {
    cell.fresh_at().saturating_sub(newest.div_ceil(1_000))
}

/// Ticks from the newest hit to the millisecond from which the log equals a fresh one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "their difference has 32 bits"
)]
fn ticks_to_fresh<const MICROS: u64>(cell: &Cell, newest: Hit<Narrow<MICROS>>) -> u64 {
    newest.at.until(Narrow(fresh_ticks(cell, MICROS) as u32))
}

/// When the newest hit of a log was, in ticks, and for how many milliseconds it counts.
#[inline]
pub(super) fn newest_and_horizon<const MICROS: u64>(
    cell: &Cell,
    newest: Hit<Narrow<MICROS>>,
) -> (u64, u64) {
    let ahead = ticks_to_fresh(cell, newest);
    (fresh_ticks(cell, MICROS) - ahead, ahead * MICROS / 1_000)
}

fn fresh_ticks(cell: &Cell, micros: u64) -> u64 {
    cell.fresh_at() * (1_000 / micros)
}

fn newest<T: Stamp>(hits: &[Hit<T>], shape: Shape) -> Option<Hit<T>> {
    let last = shape.len.checked_sub(1)?;
    hits.get(shape.place(last, hits.len())).copied()
}

pub(super) fn pair_shape(len: u32) -> Shape {
    Shape {
        head: 0,
        len,
        base: 0,
    }
}

/// Moves a log to where times are whole.
#[cold]
fn widen(shard: &mut Shard, cell: &Cell, state: State) -> (u32, Shape) {
    let hits: SmallVec<[Hit<u64>; 2]> = match state {
        State::FinePair { hits, len } => narrow_view(cell, &hits, pair_shape(len))
            .to_micros()
            .collect(),
        State::CoarsePair { hits, len } => narrow_view(cell, &hits, pair_shape(len))
            .to_micros()
            .collect(),
        State::FineRing { slot, shape } => {
            let view = narrow_view(cell, shard.fine_rings.get(slot), shape);
            let hits = view.to_micros().collect();
            shard.fine_rings.remove(slot);
            hits
        }
        State::CoarseRing { slot, shape } => {
            let view = narrow_view(cell, shard.coarse_rings.get(slot), shape);
            let hits = view.to_micros().collect();
            shard.coarse_rings.remove(slot);
            hits
        }
        State::Single(hit) => [hit].into_iter().collect(),
        _ => SmallVec::new(),
    };
    let len = u32::try_from(hits.len()).unwrap_or(0);
    let slot = shard.wide_rings.insert(hits.into_vec().into_boxed_slice());
    (slot, pair_shape(len))
}

fn refund_hit<T: Stamp>(hits: &mut [Hit<T>], shape: Shape, newest: Ticks, at: Ticks, cost: u32) {
    let at = at.as_micros().div_ceil(T::MICROS);
    let Some(age) = (newest.as_micros() / T::MICROS).checked_sub(at) else {
        return;
    };
    Log { hits, shape }.refund(age, cost);
}
