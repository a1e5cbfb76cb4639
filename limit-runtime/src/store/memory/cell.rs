//! One budget in 32 bytes, so that two share a cache line and a key's first hits cost nothing beyond its place.

use super::{
    identity::Variant,
    kept::{FORMS, Kept, pack, pack_ring, unpack},
    write::Tier,
};
use crate::{
    clock::Ticks,
    window::{
        counter::Counter,
        fixed::Fixed,
        gcra::Gcra,
        moving::{Coarse, Fine, Hit, Shape, Stamp},
        sliding::Sliding,
    },
};
use limit_core::Limit;

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
    /// A log in microseconds of 32 bits.
    Fine(Kept<FINE_MICROS>),
    /// A log in milliseconds of 32 bits.
    Coarse(Kept<COARSE_MICROS>),
    /// One hit, in microseconds of 64 bits.
    Single(Hit<u64>),
    /// More of these, elsewhere.
    WideRing { slot: u32, shape: Shape },
    /// What is no log.
    Counter(Counter),
}

pub(super) const FINE_MICROS: u64 = Fine::MICROS;
pub(super) const COARSE_MICROS: u64 = Coarse::MICROS;

const KIND_BITS: u32 = 6;
const VARIANT_BITS: u32 = 14;

const EMPTY: u64 = 0;
/// Kinds are numbers: first the forms of logs in microseconds, then those in milliseconds, then all others.
const LAST_FINE: u64 = FORMS;
const FIRST_COARSE: u64 = LAST_FINE + 1;
const LAST_COARSE: u64 = 2 * FORMS;
const SINGLE: u64 = LAST_COARSE + 1;
const WIDE_RING: u64 = SINGLE + 1;
const FIXED: u64 = SINGLE + 2;
const SLIDING: u64 = SINGLE + 3;
const GCRA: u64 = SINGLE + 4;

impl Cell {
    /// It stands behind all others, so that a search ends at it.
    pub(super) const EMPTY: Self = Self {
        owner: u64::MAX,
        meta: EMPTY,
        a: 0,
        b: 0,
    };

    /// A cell that holds `state` until the millisecond `fresh_at`.
    #[inline]
    pub(super) fn new(owner: u64, variant: Variant, state: State, fresh_at: u64) -> Self {
        let (kind, a, b) = match state {
            State::Fine(kept) => kept.pack(),
            State::Coarse(kept) => {
                let (form, a, b) = kept.pack();
                (LAST_FINE + form, a, b)
            }
            State::Single(hit) => (SINGLE, hit.at, hit.total.into()),
            State::WideRing { slot, shape } => pack_ring(WIDE_RING, slot, shape),
            State::Counter(counter) => packed(counter),
        };
        Self {
            owner,
            meta: meta(kind, variant, fresh_at),
            a,
            b,
        }
    }

    /// A cell that holds what `limit` has counted.
    #[inline]
    pub(super) fn counted(owner: u64, variant: Variant, counter: Counter, limit: Limit) -> Self {
        let fresh_at = counter.fresh_at(limit).as_micros().div_ceil(1_000);
        Self::new(owner, variant, State::Counter(counter), fresh_at)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.meta == EMPTY
    }

    /// Where it stands among the others.
    #[cfg(test)]
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

    /// In what ticks a log's times are, and its form; of no meaning but the ticks where these are whole.
    /// `None` if it is no log.
    #[inline]
    pub(super) fn form(&self) -> Option<(Tier, u64)> {
        Some(match self.meta & ((1 << KIND_BITS) - 1) {
            form @ 1..=LAST_FINE => (Tier::Fine, form),
            kind @ FIRST_COARSE..=LAST_COARSE => (Tier::Coarse, kind - LAST_FINE),
            SINGLE | WIDE_RING => (Tier::Wide, 0),
            _ => return None,
        })
    }

    /// What a log of 32-bit times is packed into.
    #[inline]
    pub(super) fn words(&self) -> (u64, u64) {
        (self.a, self.b)
    }

    /// Gives a log of 32-bit times another form and other words.
    #[inline]
    pub(super) fn renew(&mut self, (form, a, b): (u64, u64, u64), fresh_at: u64) {
        let kind = self.meta & ((1 << KIND_BITS) - 1);
        let first = if kind > LAST_FINE { LAST_FINE } else { 0 };
        self.meta = meta(first + form, self.variant(), fresh_at);
        self.a = a;
        self.b = b;
    }

    /// `None` if it is empty.
    #[inline(always)]
    pub(super) fn state(&self) -> Option<State> {
        let kind = self.meta & ((1 << KIND_BITS) - 1);
        let b = unpack(self.b);
        Some(match kind {
            1..=LAST_FINE => State::Fine(Kept::unpack(kind, self.a, self.b)?),
            FIRST_COARSE..=LAST_COARSE => {
                State::Coarse(Kept::unpack(kind - LAST_FINE, self.a, self.b)?)
            }
            SINGLE => State::Single(Hit {
                at: self.a,
                total: b.0,
            }),
            WIDE_RING => {
                let (slot, base) = unpack(self.a);
                let (head, len) = b;
                State::WideRing {
                    slot,
                    shape: Shape { head, len, base },
                }
            }
            _ => State::Counter(self.counter()?),
        })
    }

    /// `None` if it is empty or a log.
    #[inline(always)]
    pub(super) fn counter(&self) -> Option<Counter> {
        let start = Ticks::from_micros(self.a);
        let b = unpack(self.b);
        Some(match self.meta & ((1 << KIND_BITS) - 1) {
            FIXED => Counter::Fixed(Fixed { start, used: b.0 }),
            SLIDING => Counter::Sliding(Sliding {
                start,
                previous: b.0,
                current: b.1,
            }),
            GCRA => Counter::Gcra(Gcra {
                empty_at: start,
                fraction: b.0,
                count: b.1,
            }),
            _ => return None,
        })
    }
}

/// The kind of a counter, and the words that it is kept in.
#[inline]
fn packed(counter: Counter) -> (u64, u64, u64) {
    match counter {
        Counter::Fixed(fixed) => (FIXED, fixed.start.as_micros(), fixed.used.into()),
        Counter::Sliding(sliding) => (
            SLIDING,
            sliding.start.as_micros(),
            pack(sliding.previous, sliding.current),
        ),
        Counter::Gcra(gcra) => (
            GCRA,
            gcra.empty_at.as_micros(),
            pack(gcra.fraction, gcra.count),
        ),
    }
}

#[inline]
fn meta(kind: u64, variant: Variant, fresh_at: u64) -> u64 {
    let fresh_at = fresh_at.min(u64::MAX >> (KIND_BITS + VARIANT_BITS));
    kind | u64::from(variant.0) << KIND_BITS | fresh_at << (KIND_BITS + VARIANT_BITS)
}
