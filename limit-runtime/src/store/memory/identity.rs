//! Who owns a budget, and which of the owner's budgets it is.

use super::overflow::SHARED;
use crate::{
    key::{Address, Key},
    store::Scope,
    window::Strategy,
};
use siphasher::sip128::{Hash128, SipHasher13};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

/// Turns scopes and keys into owners, by a hash that nobody outside this process can predict.
///
/// Keys are what attackers choose. SipHash-1-3 with a seed of each process's own is made for this:
/// whoever does not know the seed finds no collisions. Addresses are one word, which need not be hashed but only
/// scattered: nothing of the result is ever shown, so there is less to guard than a text's collisions. Scopes are
/// what the program's author chose, so a quicker hash with secret seeds of its own is laid over it.
#[derive(Debug)]
pub(super) struct Owners {
    /// For names, rules and routes.
    scopes: [u64; 3],
    keys: [u64; 2],
    /// What sets addresses of IPv4 and networks of IPv6 apart, which may be the same word.
    kinds: [u64; 2],
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
            scopes: [0, 1, 9].map(|number| seed.hash_one(number)),
            keys: [seed.hash_one(2), seed.hash_one(3)],
            kinds: [seed.hash_one(4), seed.hash_one(5)],
            factors: [6, 7, 8].map(|number| seed.hash_one(number) | 1),
        }
    }

    #[inline(always)]
    pub(super) fn owner(&self, scope: Scope<'_>, key: &Key) -> Owner {
        self.within(scope, self.hash(key))
    }

    #[inline(always)]
    fn hash(&self, key: &Key) -> Hash128 {
        let [v4, v6] = self.kinds;
        match key.address() {
            Some(Address::V4(word)) => self.scatter(v4 ^ u64::from(word)),
            Some(Address::V6Net(word)) => self.scatter(v6 ^ word),
            None => self.hash_bytes(key.as_bytes()),
        }
    }

    #[inline(never)]
    fn hash_bytes(&self, bytes: &[u8]) -> Hash128 {
        let [first, second] = self.keys;
        SipHasher13::new_with_keys(first, second).hash(bytes)
    }

    /// A word by a bijection that nobody outside this process knows: no two addresses of a kind have one
    /// hash. The upper bits of a product depend on all of the word, and then so do its lower ones.
    #[inline]
    fn scatter(&self, word: u64) -> Hash128 {
        let [one, two, three] = self.factors;
        let word = word.wrapping_mul(one);
        let word = (word ^ word >> 32).wrapping_mul(two);
        let word = (word ^ word >> 32).wrapping_mul(three);
        let word = word ^ word >> 32;
        Hash128 {
            // The place depends on the upper bits, the shard on those in the middle.
            h1: word.rotate_right(32),
            h2: word,
        }
    }

    /// One of the few owners whose budgets are shared by those of `scope` for whom there is no room.
    pub(super) fn shared(&self, scope: Scope<'_>, owner: Owner) -> Owner {
        let number = owner.low % SHARED;
        // Whatever the seed, no key is likely to have such a hash: this is nobody's own budget.
        let [first, second] = self.keys.map(|seed| fold(seed ^ number, ODD));
        self.within(
            scope,
            Hash128 {
                h1: first,
                h2: second,
            },
        )
    }

    /// The owner of a hashed key in a scope. The processor works on both hashes at a time.
    #[inline(always)]
    fn within(&self, scope: Scope<'_>, key: Hash128) -> Owner {
        let [name, rule, route] = self.scopes;
        let name = fold_text(name, scope.name);
        let mut rule = fold_text(rule, scope.rule);
        if !scope.route.is_empty() {
            rule = fold(rule ^ fold_text(route, scope.route), ODD);
        }
        Owner {
            high: key.h1 ^ name ^ rule.rotate_left(32),
            low: key.h2 ^ fold(name ^ rule, ODD),
        }
    }
}

/// The golden ratio, as in many hashes: odd, and without a pattern.
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Folds a text and its length into `seed`, sixteen bytes at a time, after wyhash.
#[inline]
fn fold_text(seed: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let seed = seed ^ bytes.len() as u64;
    // The last ones may be among those before: the length says by how much.
    let last = match (
        bytes.last_chunk::<16>(),
        bytes.first_chunk::<8>(),
        bytes.last_chunk::<8>(),
    ) {
        (Some(last), ..) => *last,
        (None, Some(first), Some(last)) => (u128::from(u64::from_le_bytes(*first))
            | u128::from(u64::from_le_bytes(*last)) << 64)
            .to_le_bytes(),
        _ => {
            let mut all = [0; 16];
            for (to, byte) in all.iter_mut().zip(bytes) {
                *to = *byte;
            }
            all
        }
    };
    let (blocks, _) = bytes.as_chunks::<16>();
    let folded = blocks
        .iter()
        .fold(seed, |seed, &block| fold_block(seed, block));
    fold_block(folded, last)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
fn fold_block(seed: u64, block: [u8; 16]) -> u64 {
    let block = u128::from_le_bytes(block);
    fold(block as u64 ^ ODD, (block >> 64) as u64 ^ seed)
}

/// The two halves of a product, on top of each other: nearly every bit of the input reaches every bit of the output.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// Which of its owner's budgets one is: the strategy, and the window length where each has a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant(pub(super) u16);

impl Variant {
    /// The one log of the moving window.
    pub(super) const LOG: Self = Self(0);

    /// The number of its strategy; see [`Strategy::number`].
    pub(super) fn strategy_number(self) -> u16 {
        self.0 / WINDOWS
    }
}

/// The window lengths that counters were ever asked for: a number for each, so that a budget need not hold its own.
///
/// A program has as many as its limits have windows, so this does not fill up unless windows are computed anew all the
/// time. If it does, further windows share the counters of one, and a warning says so.
pub(super) struct Windows(Box<[AtomicU64]>);

const WINDOWS: u16 = 4096;

impl Windows {
    pub(super) fn new() -> Self {
        Self((0..WINDOWS).map(|_| AtomicU64::new(0)).collect())
    }

    /// The counter for windows of this length.
    pub(super) fn variant(&self, strategy: Strategy, window_millis: u64) -> Variant {
        match strategy {
            Strategy::MovingWindow => Variant::LOG,
            _ => Variant(u16::from(strategy.number()) * WINDOWS + self.number(window_millis)),
        }
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
        Self::warn_of_sharing();
        0
    }

    #[cold]
    fn warn_of_sharing() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::warn!(
                "limits with more than {WINDOWS} different windows were checked under fixed windows, sliding windows or \
                 GCRA, so that further windows share counters and are not counted right: use fewer window lengths, or the \
                 moving window"
            );
        });
    }
}

fn to_u16(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
