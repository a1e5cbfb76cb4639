//! Encodings of a log of 32-bit times: up to 4 hits inline in the cell, more in a ring; totals only
//! once a cost differs from 1.

use super::{cell::Cell, slab::Slab};
use crate::window::moving::{Hit, Log, Narrow, RingRange, Total};

/// Hits of one unit each that fit a cell.
pub(super) const UNITS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(super) enum Kept<const MICROS: u64> {
    /// One to four hits of one unit each.
    Units {
        hits: [Narrow<MICROS>; UNITS],
        len: u32,
    },
    /// One hit or two, of any cost.
    Pair {
        hits: [Hit<Narrow<MICROS>>; 2],
        len: u32,
    },
    /// More hits of one unit each, in a ring. The oldest is in the cell, because nearly every check
    /// reads it.
    UnitRing {
        slot: u32,
        shape: RingRange,
        oldest: Narrow<MICROS>,
    },
    /// More hits of any cost, in a ring.
    Ring { slot: u32, shape: RingRange },
}

/// The logs of one resolution that are in rings.
#[derive(Debug, Default)]
pub(super) struct Rings<const MICROS: u64> {
    pub(super) units: Slab<Narrow<MICROS>>,
    pub(super) hits: Slab<Hit<Narrow<MICROS>>>,
}

pub(super) const UNIT_RING: u64 = 7;
pub(super) const RING: u64 = 8;
/// Forms are numbers up to this one; none is zero.
pub(super) const FORMS: u64 = RING;

/// A bit for each form that has totals.
pub(super) const WITH_TOTALS: u64 = 1 << 5 | 1 << 6 | 1 << RING;

impl<const MICROS: u64> Kept<MICROS> {
    /// Its form, and the two words that hold it.
    #[inline]
    pub(super) fn pack(self) -> (u64, u64, u64) {
        match self {
            Self::Units {
                hits: [one, two, three, four],
                len,
            } => (len.into(), pack(one.0, two.0), pack(three.0, four.0)),
            Self::Pair {
                hits: [one, two],
                len,
            } => {
                let (one, two) = (pack(one.at.0, one.total), pack(two.at.0, two.total));
                (UNITS as u64 + u64::from(len), one, two)
            }
            Self::UnitRing {
                slot,
                shape,
                oldest,
            } => {
                // Without totals there is none before the oldest.
                let base = oldest.0.into();
                pack_ring(UNIT_RING, slot, RingRange { base, ..shape })
            }
            Self::Ring { slot, shape } => pack_ring(RING, slot, shape),
        }
    }

    /// `None` if there is no such form.
    #[inline(always)]
    pub(super) fn unpack(form: u64, a: u64, b: u64) -> Option<Self> {
        let (a, b) = (unpack(a), unpack(b));
        let shape = RingRange {
            base: a.1.into(),
            head: b.0,
            len: b.1,
        };
        Some(match form {
            len @ 1..=4 => Self::Units {
                hits: [a.0, a.1, b.0, b.1].map(Narrow),
                len: low(len),
            },
            form @ 5..=6 => Self::Pair {
                hits: [a, b].map(|(at, total)| Hit {
                    at: Narrow(at),
                    total,
                }),
                len: low(form) - 4,
            },
            UNIT_RING => Self::UnitRing {
                slot: a.0,
                shape: RingRange { base: 0, ..shape },
                oldest: Narrow(a.1),
            },
            RING => Self::Ring { slot: a.0, shape },
            _ => return None,
        })
    }
}

/// Up to four times in the two words of a cell, the oldest lowest: as [`Kept::Units`] packs them.
#[derive(Clone, Copy, Default)]
pub(super) struct Few<const MICROS: u64>(u128);

impl<const MICROS: u64> Few<MICROS> {
    #[inline]
    pub(super) fn of(cell: &Cell) -> Self {
        let (a, b) = cell.words();
        Self(u128::from(a) | u128::from(b) << 64)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
    pub(super) fn words(self) -> (u64, u64) {
        (self.0 as u64, (self.0 >> 64) as u64)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "one of four is wanted")]
    pub(super) fn get(self, index: u64) -> Narrow<MICROS> {
        Narrow((self.0 >> (32 * index)) as u32)
    }

    #[inline]
    pub(super) fn forget_oldest(&mut self) {
        self.0 >>= 32;
    }

    /// Appends a time to the `len` existing ones.
    #[inline]
    pub(super) fn append(&mut self, len: u64, hit: Narrow<MICROS>) {
        let place = 32 * len;
        self.0 = self.0 & !(u128::from(u32::MAX) << place) | u128::from(hit.0) << place;
    }
}

impl<const MICROS: u64> Rings<MICROS> {
    /// The total cost of all hits that still count.
    #[inline]
    pub(super) fn held(&self, kept: &Kept<MICROS>) -> u64 {
        let held = |hits: &[Hit<Narrow<MICROS>>], shape: RingRange| {
            let newest = shape.len.checked_sub(1).and_then(|last| {
                let place = shape.place(last, hits.len());
                hits.get(place)
            });
            newest.map_or(0, |newest| u32::since(newest.total.into(), shape.base))
        };
        match kept {
            Kept::Units { len, .. } => (*len).into(),
            Kept::UnitRing { shape, .. } => shape.len.into(),
            Kept::Pair { hits, len } => held(hits, shape_of(*len)),
            Kept::Ring { slot, shape } => held(self.hits.get(*slot), *shape),
        }
    }

    pub(super) fn free(&mut self, kept: &Kept<MICROS>) {
        match kept {
            Kept::UnitRing { slot, .. } => self.units.remove(*slot),
            Kept::Ring { slot, .. } => self.hits.remove(*slot),
            Kept::Units { .. } | Kept::Pair { .. } => {}
        }
    }

    /// The same log with totals, in a place of the same size.
    #[cold]
    pub(super) fn weigh(&mut self, kept: Kept<MICROS>) -> Kept<MICROS> {
        match kept {
            Kept::Units { mut hits, len } => {
                let shape = shape_of(len);
                let log = Log {
                    hits: &mut hits,
                    shape,
                };
                if len <= 2 {
                    let mut hits = [Hit::default(); 2];
                    log.weigh(&mut hits);
                    return Kept::Pair { hits, len };
                }
                let slot = self.hits.insert(len as usize);
                log.weigh(self.hits.get_mut(slot));
                Kept::Ring { slot, shape }
            }
            Kept::UnitRing { slot, shape, .. } => {
                let log = Log {
                    hits: self.units.get_mut(slot),
                    shape,
                };
                let to = self.hits.insert(log.hits.len());
                let shape = log.weigh(self.hits.get_mut(to));
                self.units.remove(slot);
                Kept::Ring { slot: to, shape }
            }
            kept => kept,
        }
    }

    /// The size in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.units.bytes() + self.hits.bytes()
    }
}

/// A log of `len` hits from the beginning of its buffer.
pub(super) fn shape_of(len: u32) -> RingRange {
    RingRange {
        head: 0,
        len,
        base: 0,
    }
}

#[inline]
pub(super) fn pack_ring(form: u64, slot: u32, shape: RingRange) -> (u64, u64, u64) {
    let base = Total::low(shape.base);
    (form, pack(slot, base), pack(shape.head, shape.len))
}

pub(super) fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

pub(super) fn unpack(word: u64) -> (u32, u32) {
    (low(word), low(word >> 32))
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
fn low(word: u64) -> u32 {
    word as u32
}
