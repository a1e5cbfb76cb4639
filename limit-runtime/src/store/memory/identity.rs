//! Who owns a budget, and which of the owner's budgets it is.

use super::overflow::SHARED;
use crate::{key::Key, store::Scope, window::Strategy};
use siphasher::sip128::{Hash128, SipHasher13};
use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// Turns scopes and keys into owners, by a hash that nobody outside this process can predict.
///
/// Keys are what attackers choose. SipHash-1-3 with a seed of each process's own is made for this:
/// whoever does not know the seed finds no collisions. Scopes are what the program's author chose, so a
/// quicker hash with secret seeds of its own is laid over it.
#[derive(Debug)]
pub(super) struct Owners {
    /// For names, and for routes.
    scopes: [u64; 2],
    keys: [u64; 2],
}

/// A scope and a key, as 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Picks the shard.
    pub(super) high: u64,
    /// Picks the place in the shard.
    pub(super) low: u64,
}

impl Owners {
    pub(super) fn new() -> Self {
        let seed = RandomState::new();
        Self {
            scopes: [seed.hash_one(0), seed.hash_one(3)],
            keys: [seed.hash_one(1), seed.hash_one(2)],
        }
    }

    #[inline]
    pub(super) fn owner(&self, scope: Scope<'_>, key: &Key) -> Owner {
        let [first, second] = self.keys;
        let hasher = SipHasher13::new_with_keys(first, second);
        self.within(scope, hasher.hash(key.as_bytes()))
    }

    /// One of the few owners whose budgets are shared by those of `scope` for whom there is no room.
    pub(super) fn shared(&self, scope: Scope<'_>, owner: Owner) -> Owner {
        let number = owner.low % SHARED;
        // Whatever the seed, no key is likely to have such a hash: this is nobody's own budget.
        let [first, second] = self.keys.map(|seed| fold(seed ^ number));
        self.within(
            scope,
            Hash128 {
                h1: first,
                h2: second,
            },
        )
    }

    /// The owner of a hashed key in a scope. The processor works on both hashes at a time.
    #[inline]
    fn within(&self, scope: Scope<'_>, key: Hash128) -> Owner {
        let [name, route] = self.scopes;
        let name = fold_in(name, scope.name.as_bytes());
        let route = fold_in(route, scope.route.as_bytes());
        Owner {
            high: key.h1 ^ name ^ route.rotate_left(32),
            low: key.h2 ^ fold(name ^ route),
        }
    }
}

/// Folds `bytes` and their length into `seed`, eight at a time, after wyhash.
#[inline]
fn fold_in(seed: u64, bytes: &[u8]) -> u64 {
    let seed = seed ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    let last = match bytes.last_chunk::<8>() {
        // It may overlap the word before: the length says by how much.
        Some(last) => u64::from_le_bytes(*last),
        None => rest
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let folded = words
        .iter()
        .fold(seed, |seed, &word| fold(seed ^ u64::from_le_bytes(word)));
    fold(folded ^ last)
}

/// The two halves of a product, on top of each other: every bit of the input reaches every bit of the output.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
fn fold(word: u64) -> u64 {
    // The golden ratio, as in many hashes: odd, and without a pattern.
    let product = u128::from(word ^ 0xF39C_C060_5CED_C834) * 0x9E37_79B9_7F4A_7C15;
    product as u64 ^ (product >> 64) as u64
}

/// Which of its owner's budgets one is: the strategy, and the window length where each has a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant(pub(super) u16);

impl Variant {
    /// The one log of the moving window.
    pub(super) const LOG: Self = Self(0);
}

/// The window lengths that counters were ever asked for: a number for each, so that a budget need not hold its own.
///
/// A program has as many as its limits have windows, so this never fills up; if it did, further
/// windows would share the counters of one: stricter, never looser.
pub(super) struct Windows(Box<[AtomicU64]>);

const WINDOWS: u16 = 4096;

impl Windows {
    pub(super) fn new() -> Self {
        Self((0..WINDOWS).map(|_| AtomicU64::new(0)).collect())
    }

    /// The counter for windows of this length.
    pub(super) fn variant(&self, strategy: Strategy, window_millis: u64) -> Variant {
        let strategy = match strategy {
            Strategy::MovingWindow => return Variant::LOG,
            Strategy::FixedWindow => 1,
            Strategy::SlidingWindow => 2,
            Strategy::Gcra { .. } => 3,
        };
        Variant(strategy * WINDOWS + self.number(window_millis))
    }

    fn number(&self, window_millis: u64) -> u16 {
        let start = (window_millis.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize;
        for (slot, number) in self.0[start..].iter().chain(&self.0[..start]).zip(0_u16..) {
            let known = match slot.load(Ordering::Relaxed) {
                0 => slot
                    .compare_exchange(0, window_millis, Ordering::Relaxed, Ordering::Relaxed)
                    .map_or_else(|other| other, |_| window_millis),
                known => known,
            };
            if known == window_millis {
                return number.wrapping_add(to_u16(start)) % WINDOWS;
            }
        }
        0
    }
}

fn to_u16(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
