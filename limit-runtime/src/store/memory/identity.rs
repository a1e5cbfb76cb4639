//! Identity of a budget: a hash of scope and key (the owner), and which of the owner's budgets it
//! is.

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

/// Hashes scopes and keys to owners, with a secret seed that differs in each process.
///
/// Attackers choose keys, so texts are hashed with SipHash-1-3, for which collisions cannot be
/// found without the seed. An address is one word and is only scattered by a secret bijection: two
/// addresses cannot collide, and the result is never shown. Scopes are chosen by the author of the
/// program, so a faster hash with secret seeds is enough for them.
#[derive(Debug)]
pub(super) struct Owners {
    /// For names, rules and routes.
    scopes: [u64; 3],
    keys: [u64; 2],
    /// Distinguishes IPv4 addresses from IPv6 networks, which may be equal as words.
    kinds: [u64; 2],
    /// Odd, so that multiplication by them is a bijection.
    factors: [u64; 3],
}

/// A scope and a key, as 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Selects the shard.
    pub(super) high: u64,
    /// Selects the place in the shard.
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

    /// A secret bijection on words: two addresses of one kind never have equal hashes. The upper
    /// bits of a product depend on all bits of the word, and after the second step the lower ones
    /// do too.
    #[inline]
    fn scatter(&self, word: u64) -> Hash128 {
        let [one, two, three] = self.factors;
        let word = word.wrapping_mul(one);
        let word = (word ^ word >> 32).wrapping_mul(two);
        let word = (word ^ word >> 32).wrapping_mul(three);
        let word = word ^ word >> 32;
        Hash128 {
            // The upper bits select the place, the middle bits the shard.
            h1: word.rotate_right(32),
            h2: word,
        }
    }

    /// One of the owners of shared budgets in `scope`, for keys without room.
    pub(super) fn shared(&self, scope: Scope<'_>, owner: Owner) -> Owner {
        let number = owner.low % SHARED;
        // It is unlikely, for any seed, that a key has such a hash.
        let [first, second] = self.keys.map(|seed| fold(seed ^ number, ODD));
        self.within(
            scope,
            Hash128 {
                h1: first,
                h2: second,
            },
        )
    }

    /// The owner of a hashed key in a scope. The CPU computes both hashes in parallel.
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
    // The last block may overlap the one before; the length makes this unambiguous.
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

/// The XOR of both halves of a product: nearly every input bit affects every output bit.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "these are the halves")]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// Which of its owner's budgets it is: the strategy and, for counters, the window length.
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

/// Numbers the window lengths of counters, so that a budget stores a small number instead.
///
/// A program has few window lengths, so the table does not fill up unless windows are computed. If
/// it does, further lengths share the counters of one, and a warning is logged.
pub(super) struct Windows(Box<[AtomicU64]>);

const WINDOWS: u16 = 4096;

impl Windows {
    pub(super) fn new() -> Self {
        Self((0..WINDOWS).map(|_| AtomicU64::new(0)).collect())
    }

    /// The variant for windows of this length.
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
