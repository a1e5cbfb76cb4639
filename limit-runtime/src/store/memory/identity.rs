//! Who owns a budget, and which of the owner's budgets it is.

use super::overflow::SHARED;
use crate::{key::Key, store::Scope, window::Strategy};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// Turns scopes and keys into owners, by a hash that nobody outside this process can predict.
///
/// Keys are what attackers choose. SipHash-1-3 with a seed of each process's own is made for this:
/// whoever does not know the seed finds no collisions.
pub(super) struct Owners(SipHasher13);

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
        Self(SipHasher13::new_with_keys(
            seed.hash_one(0),
            seed.hash_one(1),
        ))
    }

    pub(super) fn owner(&self, scope: Scope<'_>, key: &Key) -> Owner {
        self.hash([
            scope.name.as_bytes(),
            scope.route.as_bytes(),
            key.as_bytes(),
        ])
    }

    /// One of the few owners whose budgets are shared by those of `scope` for whom there is no room.
    pub(super) fn shared(&self, scope: Option<Scope<'_>>, owner: Owner) -> Owner {
        let scope = scope.unwrap_or(Scope {
            name: "",
            route: "",
        });
        let number = owner.low % SHARED;
        // Four parts where a key's owner has three: this is nobody's own budget.
        let number = [u8::try_from(number).unwrap_or(0)];
        self.hash([scope.name.as_bytes(), scope.route.as_bytes(), &[], &number])
    }

    fn hash<const N: usize>(&self, parts: [&[u8]; N]) -> Owner {
        let mut hasher = self.0;
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        let hash = hasher.finish128();
        Owner {
            high: hash.h1,
            low: hash.h2,
        }
    }
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
