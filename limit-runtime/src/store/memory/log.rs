//! The moving window's log in a cell, and where it goes when it outgrows it.

use super::{
    cell::{Cell, State},
    shard::Shard,
    slab::{Slab, buffer},
    slot::Slot,
};
use crate::{
    clock::Ticks,
    window::moving::{Full, Hit, Log, Resolution, Shape, Stamp, View},
};
use smallvec::SmallVec;

/// Milliseconds: differences of two such times are read right from their lower 32 bits.
const NARROW: u64 = 1 << 31;
/// Milliseconds: windows this long or longer do not mind that hits are stamped in milliseconds.
const COARSE: u64 = 1_000;

/// The first place of a log elsewhere: two hits did not fit.
const FIRST_RING: usize = 4;

/// A log in milliseconds.
#[inline]
pub(super) fn narrow_view<'a>(cell: &Cell, hits: &'a [Hit<u32>], shape: Shape) -> View<'a, u32> {
    let newest = newest(hits, shape).map_or(0, |hit| newest_millis(cell, hit));
    View {
        hits,
        shape,
        newest: Ticks::from_micros(newest.saturating_mul(1_000)),
    }
}

/// A log in microseconds.
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
    let fits = shortest >= COARSE && horizon < NARROW;
    let write = Write {
        slot,
        now,
        horizon,
        entries,
    };
    let state = match before.and_then(|cell| Some((cell, cell.state()?))) {
        None if fits => State::Pair {
            hits: [write.only(), Hit::default()],
            len: 1,
        },
        None => State::Single(write.only()),
        Some((_, State::Pair { hits, len })) if fits => write.to_pair(&mut shard.rings, hits, len),
        Some((_, State::Ring { slot, shape })) if fits => State::Ring {
            slot,
            shape: write.to_ring(&mut shard.rings, slot, shape),
        },
        Some((cell, state)) => {
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
        State::Pair { mut hits, len } => {
            let newest = narrow_view(cell, &hits, pair_shape(len)).newest;
            let shape = pair_shape(len);
            refund_hit(&mut hits, shape, newest, at, cost);
            Some(State::Pair { hits, len })
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
        State::Ring { slot, shape } => {
            let newest = narrow_view(cell, shard.rings.get(slot), shape).newest;
            refund_hit(shard.rings.get_mut(slot), shape, newest, at, cost);
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
    let state = if horizon < NARROW {
        State::Pair {
            hits: [write.only(), Hit::default()],
            len: 1,
        }
    } else {
        State::Single(write.only())
    };
    let fresh_at = stamp_millis.saturating_add(horizon);
    Some(Cell::new(slot.owner.low, slot.variant, state, fresh_at))
}

/// The longest window, in milliseconds, that was ever asked of a log: its newest hit is forgotten so long after it came.
fn horizon(shard: &Shard, cell: &Cell) -> u64 {
    let newest = match cell.state() {
        Some(State::Pair { hits, len }) => newest(&hits, pair_shape(len)),
        Some(State::Ring { slot, shape }) => newest(shard.rings.get(slot), shape),
        Some(State::Single(hit)) => {
            return cell.fresh_at().saturating_sub(hit.at.div_ceil(1_000));
        }
        Some(State::WideRing { slot, shape }) => {
            let at = newest(shard.wide_rings.get(slot), shape).map_or(0, |hit| hit.at);
            return cell.fresh_at().saturating_sub(at.div_ceil(1_000));
        }
        _ => None,
    };
    newest.map_or(0, |hit| narrow_horizon(cell, hit))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "their difference has 32 bits"
)]
fn narrow_horizon(cell: &Cell, newest: Hit<u32>) -> u64 {
    newest.at.until(cell.fresh_at() as u32)
}

fn newest_millis(cell: &Cell, newest: Hit<u32>) -> u64 {
    cell.fresh_at() - narrow_horizon(cell, newest)
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

/// One request on its way into a log.
struct Write<'a> {
    slot: &'a Slot<'a>,
    now: Ticks,
    horizon: u64,
    entries: u32,
}

impl Write<'_> {
    /// The first hit of a log.
    fn only<T: Stamp>(&self) -> Hit<T> {
        Hit {
            at: T::end_of(self.now),
            total: self.slot.cost,
        }
    }

    #[inline]
    fn to_pair(&self, rings: &mut Slab<u32>, mut hits: [Hit<u32>; 2], len: u32) -> State {
        let mut log = Log {
            hits: &mut hits,
            shape: pair_shape(len),
        };
        if self.push(&mut log).is_ok() {
            let shape = log.shape;
            if shape.head == 1 {
                hits.swap(0, 1);
            }
            for hit in &mut hits {
                hit.total = hit.total.wrapping_sub(shape.base);
            }
            return State::Pair {
                hits,
                len: shape.len,
            };
        }
        let most = self.resolution::<u32>().capacity();
        let mut ring = buffer(FIRST_RING.min(self.useful()).clamp(3, most.max(3)));
        let shape = log.copy_to(&mut ring);
        let slot = rings.insert(ring);
        State::Ring {
            slot,
            shape: self.to_ring(rings, slot, shape),
        }
    }

    /// Records the request in a log elsewhere.
    fn to_ring<T: Stamp>(&self, rings: &mut Slab<T>, slot: u32, shape: Shape) -> Shape {
        let mut log = Log {
            hits: rings.get_mut(slot),
            shape,
        };
        if self.push(&mut log).is_ok() {
            return log.shape;
        }
        let resolution = self.resolution::<T>();
        let places = log.hits.len();
        if places < resolution.capacity() {
            let mut larger = buffer(self.grown(places, resolution.capacity()));
            let shape = log.copy_to(&mut larger);
            rings.replace(slot, larger);
            log = Log {
                hits: rings.get_mut(slot),
                shape,
            };
        } else {
            let stamp = T::end_of(self.now);
            let now = self.now.as_micros() / T::MICROS;
            log.merge(stamp, now, self.ahead::<T>(), &resolution);
        }
        // There is room now.
        let _ = self.push(&mut log);
        log.shape
    }

    #[inline]
    fn push<T: Stamp>(&self, log: &mut Log<'_, T>) -> Result<(), Full> {
        let stamp = T::end_of(self.now);
        // What is still counted now must not be forgotten.
        log.forget(stamp, ticks::<T>(self.horizon) + self.ahead::<T>());
        log.push(stamp, self.slot.cost)
    }

    /// Ticks by which a stamp, which is rounded up, lies ahead of now.
    fn ahead<T: Stamp>(&self) -> u64 {
        u64::from(!self.now.as_micros().is_multiple_of(T::MICROS))
    }

    #[cold]
    fn resolution<T: Stamp>(&self) -> Resolution {
        let windows = self.slot.limits.iter().map(|limit| limit.window_millis());
        let windows = windows.chain([self.horizon]).map(ticks::<T>);
        Resolution::new(self.entries, windows)
    }

    /// As many hits as the limits can admit.
    fn useful(&self) -> usize {
        let counts = self.slot.limits.iter().map(|limit| limit.count().get());
        counts.max().unwrap_or(1) as usize
    }

    /// The next size of a ring: larger by half, but no larger than is of use.
    fn grown(&self, places: usize, most: usize) -> usize {
        let grown = (places + places / 2).max(FIRST_RING);
        let useful = self.useful();
        let grown = if places < useful {
            grown.min(useful)
        } else {
            grown
        };
        grown.clamp(places + 1, most.max(places + 1))
    }
}

/// Moves a log to where times are in microseconds.
#[cold]
fn widen(shard: &mut Shard, cell: &Cell, state: State) -> (u32, Shape) {
    let hits: SmallVec<[Hit<u64>; 2]> = match state {
        State::Pair { hits, len } => narrow_view(cell, &hits, pair_shape(len))
            .to_micros()
            .collect(),
        State::Ring { slot, shape } => {
            let view = narrow_view(cell, shard.rings.get(slot), shape);
            let hits = view.to_micros().collect();
            shard.rings.remove(slot);
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

fn ticks<T: Stamp>(millis: u64) -> u64 {
    millis.saturating_mul(1_000 / T::MICROS)
}
