//! Records a request in a log: in the cell while the log is small, in a ring when it outgrows the
//! cell.

use super::{
    cell::State,
    kept::{Kept, Rings, UNITS, shape_of},
    slab::Slab,
    slot::Slot,
};
use crate::{
    clock::Ticks,
    window::moving::{Entry, Full, Hit, Log, Narrow, Resolution, RingRange, Stamp, Total},
};

/// Windows shorter than this many milliseconds can use 32-bit microseconds.
const FINE: u64 = (1 << 31) / 1_000;
/// Windows shorter than this many milliseconds can use 32-bit milliseconds.
const COARSE: u64 = 1 << 31;
/// For windows of at least this many milliseconds, a resolution of milliseconds is precise enough.
const SECOND: u64 = 1_000;

/// The resolution of a log.
#[derive(Clone, Copy)]
pub(super) enum Tier {
    /// Microseconds, of 32 bits.
    Fine,
    /// Milliseconds, of 32 bits.
    Coarse,
    /// Microseconds, of 64 bits, and totals of as many.
    Wide,
}

impl Tier {
    /// For a log whose shortest window and longest are these, in milliseconds.
    #[inline]
    pub(super) fn of(shortest: u64, longest: u64) -> Self {
        if longest < FINE {
            Self::Fine
        } else if shortest >= SECOND && longest < COARSE {
            Self::Coarse
        } else {
            Self::Wide
        }
    }

    /// The resolution of a log that begins with a request of `cost`.
    #[inline]
    pub(super) fn with_cost(self, cost: u64) -> Self {
        if cost > u32::MAX.into() {
            Self::Wide
        } else {
            self
        }
    }
}

/// Why a request did not fit a log without totals.
enum Unfit {
    /// There is no place for one more hit.
    Full,
    /// It is not one unit, or came in the same tick as another.
    Heavy,
}

/// One request to record in a log.
pub(super) struct Write<'a> {
    pub(super) slot: &'a Slot<'a>,
    pub(super) now: Ticks,
    pub(super) horizon: u64,
    pub(super) entries: u32,
}

impl Write<'_> {
    /// A log with this request alone.
    #[inline]
    pub(super) fn first(&self, tier: Tier) -> State {
        match tier.with_cost(self.slot.cost) {
            Tier::Fine => State::Fine(self.only()),
            Tier::Coarse => State::Coarse(self.only()),
            Tier::Wide => State::Single(self.hit()),
        }
    }

    /// The first hit of a log, with its total.
    fn hit<T: Stamp>(&self) -> Hit<T> {
        Hit {
            at: T::end_of(self.now),
            total: T::Total::low(self.slot.cost),
        }
    }

    /// A log with this request alone.
    #[inline]
    fn only<const MICROS: u64>(&self) -> Kept<MICROS> {
        let none = Narrow::default();
        match self.slot.cost {
            1 => Kept::Units {
                hits: [Narrow::end_of(self.now), none, none, none],
                len: 1,
            },
            _ => Kept::Pair {
                hits: [self.hit(), Hit::default()],
                len: 1,
            },
        }
    }

    /// Records the request in a log of 32-bit times.
    pub(super) fn narrow<const MICROS: u64>(
        &self,
        rings: &mut Rings<MICROS>,
        kept: Kept<MICROS>,
    ) -> Kept<MICROS> {
        match kept {
            Kept::Units { hits, len } => self.to_units(rings, hits, len),
            Kept::UnitRing { slot, shape, .. } => self.to_unit_ring(rings, slot, shape),
            Kept::Pair { hits, len } => self.to_pair(&mut rings.hits, hits, len),
            Kept::Ring { slot, shape } => {
                let (slot, shape) = self.to_ring(&mut rings.hits, slot, shape);
                Kept::Ring { slot, shape }
            }
        }
    }

    fn to_units<const MICROS: u64>(
        &self,
        rings: &mut Rings<MICROS>,
        mut hits: [Narrow<MICROS>; UNITS],
        len: u32,
    ) -> Kept<MICROS> {
        let mut log = Log {
            hits: &mut hits,
            shape: shape_of(len),
        };
        let pushed = self.push_unit(&mut log);
        let RingRange { head, len, .. } = log.shape;
        hits.rotate_left(head as usize);
        let kept = Kept::Units { hits, len };
        match pushed {
            Ok(()) => kept,
            Err(Unfit::Full) if UNITS < self.capacity::<Narrow<MICROS>>() => {
                let shape = shape_of(len);
                let slot = rings.units.insert(self.first_unit_ring::<Narrow<MICROS>>());
                let log = Log {
                    hits: &mut hits,
                    shape,
                };
                log.copy_to(rings.units.get_mut(slot));
                self.to_unit_ring(rings, slot, shape)
            }
            Err(Unfit::Full | Unfit::Heavy) => {
                let kept = rings.weigh(kept);
                self.narrow(rings, kept)
            }
        }
    }

    fn to_unit_ring<const MICROS: u64>(
        &self,
        rings: &mut Rings<MICROS>,
        slot: u32,
        shape: RingRange,
    ) -> Kept<MICROS> {
        let mut log = Log {
            hits: rings.units.get_mut(slot),
            shape,
        };
        let pushed = self.push_unit(&mut log);
        let (shape, places) = (log.shape, log.hits.len());
        let oldest = log.oldest();
        let kept = Kept::UnitRing {
            slot,
            shape,
            oldest,
        };
        match pushed {
            Ok(()) => kept,
            Err(Unfit::Full) if places < self.capacity::<Narrow<MICROS>>() => {
                let size = self.grown(places, self.capacity::<Narrow<MICROS>>());
                let (slot, shape) = rings.units.resize(slot, shape, size);
                self.to_unit_ring(rings, slot, shape)
            }
            Err(Unfit::Full | Unfit::Heavy) => {
                let kept = rings.weigh(kept);
                self.narrow(rings, kept)
            }
        }
    }

    fn to_pair<const MICROS: u64>(
        &self,
        rings: &mut Slab<Hit<Narrow<MICROS>>>,
        mut hits: [Hit<Narrow<MICROS>>; 2],
        len: u32,
    ) -> Kept<MICROS> {
        let mut log = Log {
            hits: &mut hits,
            shape: shape_of(len),
        };
        if self.push(&mut log).is_ok() {
            let shape = log.shape;
            if shape.head == 1 {
                hits.swap(0, 1);
            }
            for hit in &mut hits {
                hit.total = Total::low(u32::since(hit.total.into(), shape.base));
            }
            let len = shape.len;
            return Kept::Pair { hits, len };
        }
        let most = self.capacity::<Narrow<MICROS>>();
        let slot = rings.insert(self.first_ring(most));
        let shape = log.copy_to(rings.get_mut(slot));
        let (slot, shape) = self.to_ring(rings, slot, shape);
        Kept::Ring { slot, shape }
    }

    /// Records the request in a ring. Returns where the log is then.
    pub(super) fn to_ring<T: Stamp>(
        &self,
        rings: &mut Slab<Hit<T>>,
        mut slot: u32,
        shape: RingRange,
    ) -> (u32, RingRange) {
        let mut log = Log {
            hits: rings.get_mut(slot),
            shape,
        };
        if self.push(&mut log).is_ok() {
            return (slot, log.shape);
        }
        let (shape, places) = (log.shape, log.hits.len());
        let most = self.capacity::<T>();
        if places < most {
            let size = self.grown(places, most);
            let (larger, shape) = rings.resize(slot, shape, size);
            slot = larger;
            log = Log {
                hits: rings.get_mut(slot),
                shape,
            };
        } else {
            let stamp = T::end_of(self.now);
            let now = self.now.as_micros() / T::MICROS;
            log.merge(stamp, now, self.ahead::<T>(), &self.resolution::<T>());
        }
        // There is room now.
        let _ = self.push(&mut log);
        (slot, log.shape)
    }

    /// Records the request in a log without totals.
    #[inline]
    fn push_unit<T: Stamp + Entry<Stamp = T>>(&self, log: &mut Log<'_, T>) -> Result<(), Unfit> {
        let stamp = T::end_of(self.now);
        log.forget(stamp, ticks::<T>(self.horizon) + self.ahead::<T>());
        let is_first = |newest: T| newest.until(stamp) > 0;
        if self.slot.cost != 1 || !log.newest().is_none_or(is_first) {
            return Err(Unfit::Heavy);
        }
        // No capacity is less than this, so the exact one is computed only for larger logs.
        if log.shape.len as usize >= Resolution::capacity_of_one(self.entries)
            && log.shape.len as usize >= self.capacity::<T>()
        {
            return Err(Unfit::Full);
        }
        log.append(stamp).map_err(|Full| Unfit::Full)
    }

    #[inline]
    fn push<T: Stamp>(&self, log: &mut Log<'_, Hit<T>>) -> Result<(), Full> {
        let stamp = T::end_of(self.now);
        // Hits that still count must not be lost.
        log.forget(stamp, ticks::<T>(self.horizon) + self.ahead::<T>());
        log.push(stamp, self.slot.cost)
    }

    /// By how many ticks a stamp, which is rounded up, is ahead of now.
    fn ahead<T: Stamp>(&self) -> u64 {
        u64::from(!self.now.as_micros().is_multiple_of(T::MICROS))
    }
}

pub(super) fn ticks<T: Stamp>(millis: u64) -> u64 {
    millis.saturating_mul(1_000 / T::MICROS)
}
