//! Identity of a budget: a hash of its scope and key.

use crate::{
    key::{Address, Key},
    store::{
        Scope,
        scope_hash::{ODD, fold},
    },
};
use siphasher::sip128::{Hash128, SipHasher13};
use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

/// A scope and a key, as 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BudgetId {
    /// Selects the shard.
    pub(super) high: u64,
    /// Selects the place in the shard.
    pub(super) low: u64,
}

impl BudgetId {
    /// The identity of the budget of `key` in `scope`.
    #[inline(always)]
    pub(super) fn new(scope: Scope<'_>, key: &Key) -> Self {
        within(scope, SEEDS.hash(key))
    }

    /// The identity of the shared budget that `key` uses when there is no room for its own: that of
    /// its network (/24 or /48) for an address, else that of a part of the hash.
    pub(super) fn shared(scope: Scope<'_>, key: &Key) -> Self {
        let seeds = &*SEEDS;
        let hash = match key.address() {
            // The first octets are the lowest.
            Some(Address::V4(word)) => seeds.scatter(seeds.kinds[0] ^ u64::from(word & 0xff_ffff)),
            Some(Address::V6Net(word)) => seeds.scatter(seeds.kinds[1] ^ (word & 0xffff_ffff_ffff)),
            None => seeds.hash(key),
        };
        let number = hash.h2 % SHARED;
        // It is unlikely, for any seed, that a key has such a hash.
        let [h1, h2] = seeds.keys.map(|seed| fold(seed ^ number, ODD));
        within(scope, Hash128 { h1, h2 })
    }

    /// The part that a table is sorted by; less than that of vacant places.
    #[inline]
    pub(super) fn tag(self) -> u64 {
        self.low.min(VACANT - 1)
    }
}

/// The tag of vacant places, which sorts after all others.
pub(super) const VACANT: u64 = u64::MAX;

/// The number of shared budgets of a scope.
const SHARED: u64 = 64;

static SEEDS: LazyLock<Seeds> = LazyLock::new(Seeds::random);

/// Secret seeds, which differ in each process.
///
/// Attackers choose keys, so texts are hashed with SipHash-1-3, for which collisions cannot be
/// found without the seed. An address is one word and is only scattered by a secret bijection: two
/// addresses cannot collide, and the result is never shown.
#[derive(Debug)]
struct Seeds {
    /// For texts and for other keys, which must not be mixed up.
    texts: [u64; 2],
    keys: [u64; 2],
    /// Distinguishes IPv4 addresses from IPv6 networks, which may be equal as words.
    kinds: [u64; 2],
    /// Odd, so that multiplication by them is a bijection.
    factors: [u64; 3],
}

impl Seeds {
    fn random() -> Self {
        let seed = RandomState::new();
        Self {
            texts: [seed.hash_one(10), seed.hash_one(11)],
            keys: [seed.hash_one(2), seed.hash_one(3)],
            kinds: [seed.hash_one(4), seed.hash_one(5)],
            factors: [6, 7, 8].map(|number| seed.hash_one(number) | 1),
        }
    }

    #[inline(always)]
    fn hash(&self, key: &Key) -> Hash128 {
        let [v4, v6] = self.kinds;
        match key.address() {
            Some(Address::V4(word)) => self.scatter(v4 ^ u64::from(word)),
            Some(Address::V6Net(word)) => self.scatter(v6 ^ word),
            // Most keys are texts, whose tag and length need not be hashed.
            None => match key.text() {
                Some(text) => Self::hash_bytes(self.texts, text),
                None => Self::hash_bytes(self.keys, key.as_bytes()),
            },
        }
    }

    #[inline(never)]
    fn hash_bytes([first, second]: [u64; 2], bytes: &[u8]) -> Hash128 {
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
}

/// The identity of a hashed key in a scope.
#[inline(always)]
fn within(scope: Scope<'_>, key: Hash128) -> BudgetId {
    let scope = scope.hash();
    BudgetId {
        high: key.h1 ^ scope.high,
        low: key.h2 ^ scope.low,
    }
}
