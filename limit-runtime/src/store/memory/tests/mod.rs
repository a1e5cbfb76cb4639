//! Tests of the store against simple models, and under attack.

mod bounds;
mod denials;
mod flood;
mod logs;
mod memory;
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

const SCOPE: Scope<'static> = Scope::shared("test");

fn store(clock: &TestClock, max_keys: usize, log_entries: u32) -> MemoryStore {
    let bounds = Bounds {
        max_keys,
        log_entries,
        ..Bounds::default()
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
        id: None,
        strategy: Strategy::MovingWindow,
    }
}

fn hit(store: &MemoryStore, key: impl IntoKey, limits: &Limits, cost: u64) -> Decision {
    store.check(&[charge(&key.into_key(), limits, cost)], Action::Consume)
}

fn limits(text: &str) -> Limits {
    text.parse().unwrap()
}
