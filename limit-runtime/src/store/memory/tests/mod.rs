//! The store beside models that are too simple to be wrong, and under attack.

mod denials;
mod flood;
mod logs;
mod memory;
mod model;
mod rings;
mod threads;

use super::{Bounds, MemoryStore};
use crate::{
    clock::TestClock,
    decision::Decision,
    key::{IntoKey, Key},
    store::{Action, Charge, Scope},
    window::Strategy,
};
use limit_core::Limits;

/// A small generator of random numbers (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

const SCOPE: Scope<'static> = Scope {
    name: "test",
    rule: "",
    route: "",
};

fn store(clock: &TestClock, max_keys: usize, log_entries: u32) -> MemoryStore {
    let bounds = Bounds {
        max_keys,
        log_entries,
    };
    MemoryStore::new(clock.clone().into(), bounds)
}

fn charge<'a>(key: &'a Key, limits: &'a Limits, cost: u64) -> Charge<'a> {
    Charge {
        scope: SCOPE,
        key,
        limits,
        cost,
        on_store_error: None,
        strategy: Strategy::MovingWindow,
    }
}

fn hit(store: &MemoryStore, key: impl IntoKey, limits: &Limits, cost: u64) -> Decision {
    store.check(&[charge(&key.into_key(), limits, cost)], Action::Consume)
}

fn limits(text: &str) -> Limits {
    text.parse().unwrap()
}
