//! One budget in 32 bytes, so that two share a cache line and a key's first hits cost nothing beyond its place.

use super::identity::Variant;
use crate::{
    clock::Ticks,
    window::{
        fixed::Fixed,
        gcra::Gcra,
        moving::{Coarse, Fine, Hit, Narrow, Shape},
        sliding::Sliding,
    },
};

/// A place in a table.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct Cell {
    /// The lower half of the owner; its order is the table's.
    pub(super) owner: u64,
    /// From the lowest bit: 6 bits kind, 14 bits variant, 44 bits the millisecond from which it equals a fresh one.
    meta: u64,
    a: u64,
    b: u64,
}

/// What a budget holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// One hit, or two.
    FinePair { hits: [Hit<Fine>; 2], len: u32 },
    /// One hit, or two.
    CoarsePair { hits: [Hit<Coarse>; 2], len: u32 },
    /// One hit.
    Single(Hit<u64>),
    /// More, elsewhere.
    FineRing { slot: u32, shape: Shape },
    /// More, elsewhere.
    CoarseRing { slot: u32, shape: Shape },
    /// More, elsewhere.
    WideRing { slot: u32, shape: Shape },
    /// The counter of a fixed window.
    Fixed(Fixed),
    /// The counters of a sliding window.
    Sliding(Sliding),
    /// A bucket.
    Gcra(Gcra),
}

const KIND_BITS: u32 = 6;
const VARIANT_BITS: u32 = 14;

const EMPTY: u64 = 0;
const FINE_ONE: u64 = 1;
const FINE_TWO: u64 = 2;
const COARSE_ONE: u64 = 3;
const COARSE_TWO: u64 = 4;
const SINGLE: u64 = 5;
const FINE_RING: u64 = 6;
const COARSE_RING: u64 = 7;
const WIDE_RING: u64 = 8;
const FIXED: u64 = 9;
const SLIDING: u64 = 10;
const GCRA: u64 = 11;

impl Cell {
    pub(super) const EMPTY: Self = Self {
        owner: 0,
        meta: EMPTY,
        a: 0,
        b: 0,
    };

    /// A cell that holds `state` until the millisecond `fresh_at`.
    #[inline]
    pub(super) fn new(owner: u64, variant: Variant, state: State, fresh_at: u64) -> Self {
        let (kind, a, b) = match state {
            State::FinePair { hits, len } => {
                let kind = if len > 1 { FINE_TWO } else { FINE_ONE };
                pack_pair(kind, hits)
            }
            State::CoarsePair { hits, len } => {
                let kind = if len > 1 { COARSE_TWO } else { COARSE_ONE };
                pack_pair(kind, hits)
            }
            State::Single(hit) => (SINGLE, hit.at, hit.total.into()),
            State::FineRing { slot, shape } => pack_ring(FINE_RING, slot, shape),
            State::CoarseRing { slot, shape } => pack_ring(COARSE_RING, slot, shape),
            State::WideRing { slot, shape } => pack_ring(WIDE_RING, slot, shape),
            State::Fixed(fixed) => (FIXED, fixed.start.as_micros(), fixed.used.into()),
            State::Sliding(sliding) => (
                SLIDING,
                sliding.start.as_micros(),
                pack(sliding.previous, sliding.current),
            ),
            State::Gcra(gcra) => (
                GCRA,
                gcra.empty_at.as_micros(),
                pack(gcra.fraction, gcra.count),
            ),
        };
        let fresh_at = fresh_at.min(u64::MAX >> (KIND_BITS + VARIANT_BITS));
        let variant = u64::from(variant.0);
        Self {
            owner,
            meta: kind | variant << KIND_BITS | fresh_at << (KIND_BITS + VARIANT_BITS),
            a,
            b,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.meta == EMPTY
    }

    /// Where it stands among the others.
    #[inline]
    pub(super) fn order(&self) -> (u64, u16) {
        (self.owner, self.variant().0)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is masked")]
    pub(super) fn variant(&self) -> Variant {
        Variant((self.meta >> KIND_BITS) as u16 & ((1 << VARIANT_BITS) - 1))
    }

    /// The millisecond from which it equals a fresh one.
    #[inline]
    pub(super) fn fresh_at(&self) -> u64 {
        self.meta >> (KIND_BITS + VARIANT_BITS)
    }

    /// `None` if it is empty.
    #[inline(always)]
    pub(super) fn state(&self) -> Option<State> {
        let (a, b) = (unpack(self.a), unpack(self.b));
        let slot = a.0;
        let shape = Shape {
            base: a.1,
            head: b.0,
            len: b.1,
        };
        let start = Ticks::from_micros(self.a);
        Some(match self.meta & ((1 << KIND_BITS) - 1) {
            FINE_ONE => State::FinePair {
                hits: [a, b].map(unpack_hit),
                len: 1,
            },
            FINE_TWO => State::FinePair {
                hits: [a, b].map(unpack_hit),
                len: 2,
            },
            COARSE_ONE => State::CoarsePair {
                hits: [a, b].map(unpack_hit),
                len: 1,
            },
            COARSE_TWO => State::CoarsePair {
                hits: [a, b].map(unpack_hit),
                len: 2,
            },
            SINGLE => State::Single(Hit {
                at: self.a,
                total: b.0,
            }),
            FINE_RING => State::FineRing { slot, shape },
            COARSE_RING => State::CoarseRing { slot, shape },
            WIDE_RING => State::WideRing { slot, shape },
            FIXED => State::Fixed(Fixed { start, used: b.0 }),
            SLIDING => State::Sliding(Sliding {
                start,
                previous: b.0,
                current: b.1,
            }),
            GCRA => State::Gcra(Gcra {
                empty_at: start,
                fraction: b.0,
                count: b.1,
            }),
            _ => return None,
        })
    }
}

fn pack_pair<const MICROS: u64>(
    kind: u64,
    [one, two]: [Hit<Narrow<MICROS>>; 2],
) -> (u64, u64, u64) {
    (kind, pack(one.at.0, one.total), pack(two.at.0, two.total))
}

fn unpack_hit<const MICROS: u64>((at, total): (u32, u32)) -> Hit<Narrow<MICROS>> {
    Hit {
        at: Narrow(at),
        total,
    }
}

fn pack_ring(kind: u64, slot: u32, shape: Shape) -> (u64, u64, u64) {
    (kind, pack(slot, shape.base), pack(shape.head, shape.len))
}

fn pack(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
fn unpack(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}
