//! One budget in 32 bytes: two fit in a cache line, and the first hits of a key need no other
//! memory.

use super::{
    identity::Variant,
    kept::{FORMS, Kept, WITH_TOTALS, pack, unpack},
    write::Tier,
};
use crate::{
    clock::Ticks,
    window::{
        counter::Counter,
        fixed::Fixed,
        gcra::Gcra,
        moving::{Coarse, Fine, Hit, RingRange, Stamp, Total},
        sliding::Sliding,
    },
};
use limit_core::Limit;

/// An entry of a table.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct Cell {
    /// The lower half of the owner. The table is sorted by it.
    pub(super) owner: u64,
    /// From the lowest bit: 6 bits kind, 14 bits variant, 44 bits the millisecond of expiry.
    meta: u64,
    a: u64,
    b: u64,
}

/// The counts of a budget.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// A log in microseconds of 32 bits.
    Fine(Kept<FINE_MICROS>),
    /// A log in milliseconds of 32 bits.
    Coarse(Kept<COARSE_MICROS>),
    /// One hit, in microseconds of 64 bits.
    Single(Hit<u64>),
    /// Several hits, outside of the cell.
    WideRing { slot: u32, shape: RingRange },
    /// A counter, not a log.
    Counter(Counter),
    /// A counter outside of the cell, because its numbers have more than 32 bits.
    WideCounter { kind: WideCounter, slot: u32 },
}

/// The counters that may take more than 32 bits for each of their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum WideCounter {
    Sliding,
    Gcra,
}

/// A counter as two hits of a slab: three numbers are used.
pub(super) type WideWords = [Hit<u64>; 2];

impl WideCounter {
    /// The words of a counter whose numbers do not fit a cell; `None` if they do.
    #[inline]
    pub(super) fn of(counter: Counter) -> Option<(Self, WideWords)> {
        let words = |at: Ticks, one, two| {
            let at = at.as_micros();
            [Hit { at, total: one }, Hit { at: 0, total: two }]
        };
        let is_compact = |one: u64, two: u64| (one | two) <= u32::MAX.into();
        match counter {
            Counter::Sliding(it) if !is_compact(it.previous, it.current) => {
                Some((Self::Sliding, words(it.start, it.previous, it.current)))
            }
            Counter::Gcra(it) if !is_compact(it.fraction, it.count) => {
                Some((Self::Gcra, words(it.empty_at, it.fraction, it.count)))
            }
            _ => None,
        }
    }

    /// The counter that `words` hold.
    pub(super) fn counter(self, words: &[Hit<u64>]) -> Option<Counter> {
        let &[one, two, ..] = words else {
            return None;
        };
        let at = Ticks::from_micros(one.at);
        Some(match self {
            Self::Sliding => Counter::Sliding(Sliding {
                start: at,
                previous: one.total,
                current: two.total,
            }),
            Self::Gcra => Counter::Gcra(Gcra {
                empty_at: at,
                fraction: one.total,
                count: two.total,
            }),
        })
    }
}

pub(super) const FINE_MICROS: u64 = Fine::MICROS;
pub(super) const COARSE_MICROS: u64 = Coarse::MICROS;

const KIND_BITS: u32 = 6;
const VARIANT_BITS: u32 = 14;

const EMPTY: u64 = 0;
/// The numbers of kinds: the forms of logs in microseconds, of logs in milliseconds, then all
/// others.
const LAST_FINE: u64 = FORMS;
const FIRST_COARSE: u64 = LAST_FINE + 1;
const LAST_COARSE: u64 = 2 * FORMS;
const SINGLE: u64 = LAST_COARSE + 1;
const WIDE_RING: u64 = SINGLE + 1;
const FIXED: u64 = SINGLE + 2;
const SLIDING: u64 = SINGLE + 3;
const GCRA: u64 = SINGLE + 4;
const WIDE_SLIDING: u64 = SINGLE + 5;
const WIDE_GCRA: u64 = SINGLE + 6;
/// In a ring of 64-bit times, head and length have this many bits each, and the slot has the rest.
const INDEX_BITS: u32 = 20;

impl Cell {
    /// Sorts after all other cells, so that a search ends here.
    pub(super) const EMPTY: Self = Self {
        owner: u64::MAX,
        meta: EMPTY,
        a: 0,
        b: 0,
    };

    /// A cell with `state` that expires at the millisecond `fresh_at`.
    #[inline]
    pub(super) fn new(owner: u64, variant: Variant, state: State, fresh_at: u64) -> Self {
        let (kind, a, b) = match state {
            State::Fine(kept) => kept.pack(),
            State::Coarse(kept) => {
                let (form, a, b) = kept.pack();
                (LAST_FINE + form, a, b)
            }
            State::Single(hit) => (SINGLE, hit.at, hit.total),
            State::WideRing { slot, shape } => (WIDE_RING, shape.base, pack_wide(slot, shape)),
            State::Counter(counter) => packed(counter),
            State::WideCounter { kind, slot } => match kind {
                WideCounter::Sliding => (WIDE_SLIDING, slot.into(), 0),
                WideCounter::Gcra => (WIDE_GCRA, slot.into(), 0),
            },
        };
        Self {
            owner,
            meta: meta(kind, variant, fresh_at),
            a,
            b,
        }
    }

    /// A cell with the count of `limit`. `None` if it does not fit.
    #[inline]
    pub(super) fn counted(
        owner: u64,
        variant: Variant,
        counter: Counter,
        limit: Limit,
    ) -> Option<Self> {
        if WideCounter::of(counter).is_some() {
            return None;
        }
        let fresh_at = fresh_at(&counter, limit);
        Some(Self::new(owner, variant, State::Counter(counter), fresh_at))
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.meta == EMPTY
    }

    /// The sort key.
    #[cfg(test)]
    pub(super) fn order(&self) -> (u64, u16) {
        (self.owner, self.variant().0)
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is masked")]
    pub(super) fn variant(&self) -> Variant {
        Variant((self.meta >> KIND_BITS) as u16 & ((1 << VARIANT_BITS) - 1))
    }

    /// The millisecond of expiry.
    #[inline]
    pub(super) fn fresh_at(&self) -> u64 {
        self.meta >> (KIND_BITS + VARIANT_BITS)
    }

    /// The resolution and the form of a log. With 64-bit times, the form has no meaning. `None` if
    /// it is not a log.
    #[inline]
    pub(super) fn form(&self) -> Option<(Tier, u64)> {
        Some(match self.meta & ((1 << KIND_BITS) - 1) {
            form @ 1..=LAST_FINE => (Tier::Fine, form),
            kind @ FIRST_COARSE..=LAST_COARSE => (Tier::Coarse, kind - LAST_FINE),
            SINGLE | WIDE_RING => (Tier::Wide, 0),
            _ => return None,
        })
    }

    /// Whether it is a log with totals of 32 bits.
    #[inline]
    pub(super) fn has_narrow_totals(&self) -> bool {
        const KINDS: u64 = WITH_TOTALS << LAST_FINE | WITH_TOTALS;
        KINDS >> (self.meta & ((1 << KIND_BITS) - 1)) & 1 == 1
    }

    /// The words of a log of 32-bit times.
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
        Some(match kind {
            1..=LAST_FINE => State::Fine(Kept::unpack(kind, self.a, self.b)?),
            FIRST_COARSE..=LAST_COARSE => {
                State::Coarse(Kept::unpack(kind - LAST_FINE, self.a, self.b)?)
            }
            SINGLE => State::Single(Hit {
                at: self.a,
                total: self.b,
            }),
            WIDE_RING => {
                let (slot, shape) = unpack_wide(self.a, self.b);
                State::WideRing { slot, shape }
            }
            WIDE_SLIDING => State::WideCounter {
                kind: WideCounter::Sliding,
                slot: unpack(self.a).0,
            },
            WIDE_GCRA => State::WideCounter {
                kind: WideCounter::Gcra,
                slot: unpack(self.a).0,
            },
            _ => State::Counter(self.counter()?),
        })
    }

    /// `None` if it is empty, a log, or outside of the cell.
    #[inline(always)]
    pub(super) fn counter(&self) -> Option<Counter> {
        let start = Ticks::from_micros(self.a);
        let b = unpack(self.b);
        Some(match self.meta & ((1 << KIND_BITS) - 1) {
            FIXED => Counter::Fixed(Fixed {
                start,
                used: self.b,
            }),
            SLIDING => Counter::Sliding(Sliding {
                start,
                previous: b.0.into(),
                current: b.1.into(),
            }),
            GCRA => Counter::Gcra(Gcra {
                empty_at: start,
                fraction: b.0.into(),
                count: b.1.into(),
            }),
            _ => return None,
        })
    }
}

/// The millisecond of a counter's expiry.
#[inline]
pub(super) fn fresh_at(counter: &Counter, limit: Limit) -> u64 {
    counter.fresh_at(limit).as_micros().div_ceil(1_000)
}

/// A log has less than 2^20 hits, and a shard far less than 2^24 logs.
fn pack_wide(slot: u32, shape: RingRange) -> u64 {
    u64::from(slot) << (2 * INDEX_BITS) | u64::from(shape.head) << INDEX_BITS | u64::from(shape.len)
}

fn unpack_wide(a: u64, b: u64) -> (u32, RingRange) {
    let index = |word: u64| Total::low(word & ((1 << INDEX_BITS) - 1));
    let shape = RingRange {
        head: index(b >> INDEX_BITS),
        len: index(b),
        base: a,
    };
    (Total::low(b >> (2 * INDEX_BITS)), shape)
}

/// The kind and the words of a counter with 32-bit numbers.
#[inline]
fn packed(counter: Counter) -> (u64, u64, u64) {
    match counter {
        Counter::Fixed(fixed) => (FIXED, fixed.start.as_micros(), fixed.used),
        Counter::Sliding(sliding) => (
            SLIDING,
            sliding.start.as_micros(),
            pack(Total::low(sliding.previous), Total::low(sliding.current)),
        ),
        Counter::Gcra(gcra) => (
            GCRA,
            gcra.empty_at.as_micros(),
            pack(Total::low(gcra.fraction), Total::low(gcra.count)),
        ),
    }
}

#[inline]
fn meta(kind: u64, variant: Variant, fresh_at: u64) -> u64 {
    let fresh_at = fresh_at.min(u64::MAX >> (KIND_BITS + VARIANT_BITS));
    kind | u64::from(variant.0) << KIND_BITS | fresh_at << (KIND_BITS + VARIANT_BITS)
}
