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
/// whoever does not know the seed finds no collisions. Addresses are one word, which need not be hashed but only
/// scattered: nothing of the result is ever shown, so there is less to guard than a text's collisions. Scopes are what the program's author chose, so a quicker hash with secret seeds of its own is laid over it.
#[derive(Debug)]
pub(super) struct Owners {
    /// For names, and for routes.
    scopes: [u64; 2],
    keys: [u64; 2],
    /// Odd, so that multiplying by them loses nothing.
    factors: [u64; 3],
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
            factors: [4, 5, 6].map(|number| seed.hash_one(number) | 1),
        }
    }

    #[inline]
    pub(super) fn owner(&self, scope: Scope<'_>, key: &Key) -> Owner {
        self.within(scope, self.hash(key.as_bytes()))
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> Hash128 {
        match *key {
            [tag, a, b, c, d] => self.scatter(tag, [a, b, c, d, 0, 0, 0, 0], 4),
            [tag, a, b, c, d, e, f, g, h] => self.scatter(tag, [a, b, c, d, e, f, g, h], 8),
            _ => {
                let [first, second] = self.keys;
                SipHasher13::new_with_keys(first, second).hash(key)
            }
        }
    }

    /// A key of one word, by a bijection that nobody outside this process knows: no two addresses of a kind have one
    /// hash. The upper bits of a product depend on all of the word, and then so do its lower ones.
    #[inline]
    fn scatter(&self, tag: u8, word: [u8; 8], len: u64) -> Hash128 {
        let [first, second] = self.keys;
        let [one, two, three] = self.factors;
        // An address of another kind may be the same word: what sets them apart is secret, too.
        let kind = first ^ fold(second ^ u64::from(tag) ^ len << 8);
        let word = (u64::from_le_bytes(word) ^ kind).wrapping_mul(one);
        let word = (word ^ word >> 32).wrapping_mul(two);
        let word = (word ^ word >> 32).wrapping_mul(three);
        Hash128 {
            h1: fold(word ^ second),
            h2: word ^ word >> 32,
        }
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

/// The two halves of a product, on top of each other: nearly every bit of the input reaches every bit of the output.
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
