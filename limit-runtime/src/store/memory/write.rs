//! A request on its way into a log: in a cell while it is small, elsewhere when it outgrows that.

use super::{
    cell::State,
    log::pair_shape,
    slab::{Slab, buffer},
    slot::Slot,
};
use crate::{
    clock::Ticks,
    window::moving::{Full, Hit, Log, Resolution, Shape, Stamp},
};

/// In milliseconds, the windows that are shorter than this are read right from 32 bits of microseconds.
const FINE: u64 = (1 << 31) / 1_000;
/// The same for milliseconds.
const COARSE: u64 = 1 << 31;
/// Milliseconds: windows this long or longer do not mind that hits are stamped in milliseconds.
pub(super) const SECOND: u64 = 1_000;

/// The first place of a log elsewhere: two hits did not fit.
const FIRST_RING: usize = 4;

/// In what ticks a log keeps its times.
#[derive(Clone, Copy)]
pub(super) enum Tier {
    /// Microseconds, of 32 bits.
    Fine,
    /// Milliseconds, of 32 bits.
    Coarse,
    /// Microseconds, of 64 bits.
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
}

/// What a pair of hits became.
pub(super) enum Grown<T> {
    Pair([Hit<T>; 2], u32),
    Ring(u32, Shape),
}

/// One request on its way into a log.
pub(super) struct Write<'a> {
    pub(super) slot: &'a Slot<'a>,
    pub(super) now: Ticks,
    pub(super) horizon: u64,
    pub(super) entries: u32,
}

impl Write<'_> {
    /// The first hit of a log.
    fn only<T: Stamp>(&self) -> Hit<T> {
        Hit {
            at: T::end_of(self.now),
            total: self.slot.cost,
        }
    }

    /// A log with this request alone.
    #[inline]
    pub(super) fn first(&self, tier: Tier) -> State {
        match tier {
            Tier::Fine => State::FinePair {
                hits: [self.only(), Hit::default()],
                len: 1,
            },
            Tier::Coarse => State::CoarsePair {
                hits: [self.only(), Hit::default()],
                len: 1,
            },
            Tier::Wide => State::Single(self.only()),
        }
    }

    #[inline]
    pub(super) fn to_pair<T: Stamp>(
        &self,
        rings: &mut Slab<T>,
        mut hits: [Hit<T>; 2],
        len: u32,
    ) -> Grown<T> {
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
            return Grown::Pair(hits, shape.len);
        }
        let most = self.resolution::<T>().capacity();
        let mut ring = buffer(FIRST_RING.min(self.useful()).clamp(3, most.max(3)));
        let shape = log.copy_to(&mut ring);
        let slot = rings.insert(ring);
        Grown::Ring(slot, self.to_ring(rings, slot, shape))
    }

    /// Records the request in a log elsewhere.
    pub(super) fn to_ring<T: Stamp>(&self, rings: &mut Slab<T>, slot: u32, shape: Shape) -> Shape {
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

fn ticks<T: Stamp>(millis: u64) -> u64 {
    millis.saturating_mul(1_000 / T::MICROS)
}
