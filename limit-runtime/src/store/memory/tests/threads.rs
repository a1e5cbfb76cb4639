//! Concurrency: many threads together are admitted exactly as often as the limit allows.

use super::{hit, limits, store};
use crate::clock::TestClock;
use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

#[test]
fn threads_admit_exactly_the_count_for_each_key() {
    let clock = TestClock::new();
    let store = store(&clock, 10_000, 8);
    let limits = limits("1000/minute; 1500/hour");
    let admitted: Vec<AtomicU32> = (0..50).map(|_| AtomicU32::new(0)).collect();
    thread::scope(|scope| {
        for thread in 0..8_u32 {
            let (store, admitted, limits) = (&store, &admitted, &limits);
            scope.spawn(move || {
                for turn in 0..10_000_u32 {
                    let key = (turn.wrapping_mul(7) + thread) % 50;
                    if hit(store, key, limits, 1).is_allowed() {
                        admitted[key as usize].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for count in &admitted {
        assert_eq!(count.load(Ordering::Relaxed), 1_000);
    }
}

#[test]
fn checks_of_two_identities_are_all_or_nothing_under_threads() {
    let clock = TestClock::new();
    let store = store(&clock, 10_000, 8);
    let (all, each) = (limits("3000/minute"), limits("500/minute"));
    let total = AtomicU32::new(0);
    thread::scope(|scope| {
        for thread in 0..8_u32 {
            let (store, total, all, each) = (&store, &total, &all, &each);
            scope.spawn(move || {
                use crate::key::IntoKey;
                let (everyone, one) = (().into_key(), thread.into_key());
                for _ in 0..2_000 {
                    let both = [
                        super::charge(&everyone, all, 1),
                        super::charge(&one, each, 1),
                    ];
                    let flipped = [both[1], both[0]];
                    let charges = if thread % 2 == 0 { both } else { flipped };
                    if store
                        .check(&charges, crate::store::Action::Consume)
                        .is_allowed()
                    {
                        total.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), 3_000);
    let taken: u64 = (0..8_u32)
        .map(|thread| 500 - hit(&store, thread, &each, 0).outcomes()[0].remaining())
        .sum();
    assert_eq!(taken, 3_000);
}

#[test]
fn a_full_store_under_threads_holds_its_bound_and_its_blocked_keys() {
    let clock = TestClock::new();
    let store = store(&clock, 1_000, 8);
    let limits = limits("2/minute");
    for _ in 0..2 {
        assert!(hit(&store, "blocked", &limits, 1).is_allowed());
    }
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (store, limits) = (&store, &limits);
            scope.spawn(move || {
                for turn in 0..20_000_u32 {
                    hit(store, (thread, turn), limits, 1);
                    assert!(!hit(store, "blocked", limits, 1).is_allowed());
                }
            });
        }
    });
    assert!(store.usage().keys <= 1_000 + 64, "{:?}", store.usage());
}
