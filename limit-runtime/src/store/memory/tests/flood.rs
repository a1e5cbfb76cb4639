//! A full store: no client resets its budget by a flood of keys, and no client is unlimited.

use super::{SCOPE, charge, hit, limits, store};
use crate::{clock::TestClock, key::IntoKey, store::Action};
use std::time::Duration;
use test_support::random::Random;

#[test]
fn a_blocked_key_stays_blocked_through_ten_times_max_keys() {
    let clock = TestClock::new();
    let store = store(&clock, 2_000, 16);
    let limits = limits("3/minute");
    for _ in 0..3 {
        assert!(hit(&store, "blocked", &limits, 1).is_allowed());
    }
    for stranger in 0..20_000_u32 {
        clock.advance(Duration::from_millis(1));
        hit(&store, stranger, &limits, 1);
        assert!(store.usage().keys <= 2_000 + 64);
    }
    assert!(!hit(&store, "blocked", &limits, 1).is_allowed());
    assert!(store.usage().overflowed > 17_000);
    // Until the counts of the shared budget expire, it would have to share it after an eviction.
    clock.advance(Duration::from_secs(60));
    assert!(hit(&store, "blocked", &limits, 1).is_allowed());
}

#[test]
fn new_keys_share_budgets_while_the_store_is_full() {
    let clock = TestClock::new();
    let store = store(&clock, 100, 16);
    let limits = limits("10/minute");
    for key in 0..100_u32 {
        assert!(hit(&store, key, &limits, 1).is_allowed());
    }
    let admitted: usize = (1_000..6_000_u32)
        .filter(|&key| hit(&store, key, &limits, 1).is_allowed())
        .count();
    assert_eq!(admitted, 64 * 10, "64 budgets of ten");
    assert_eq!(store.usage().keys, 164);
    // Keys with a budget of their own are not affected.
    assert_eq!(hit(&store, 7_u32, &limits, 1).outcomes()[0].remaining(), 8);
}

#[test]
fn a_key_that_shared_does_not_begin_afresh_when_there_is_room() {
    let clock = TestClock::new();
    let store = store(&clock, 10, 16);
    let limits = limits("5/minute");
    for key in 0..10_u32 {
        hit(&store, key, &limits, 1);
    }
    clock.advance(Duration::from_secs(30));
    for _ in 0..5 {
        assert!(hit(&store, "late", &limits, 1).is_allowed());
    }
    assert!(!hit(&store, "late", &limits, 1).is_allowed());
    // The first ten have expired, so there is room; the five of the newcomer still count.
    clock.advance(Duration::from_secs(31));
    assert!(!hit(&store, "late", &limits, 1).is_allowed());
    clock.advance(Duration::from_secs(30));
    for _ in 0..5 {
        assert!(hit(&store, "late", &limits, 1).is_allowed());
    }
    assert_eq!(
        store
            .check(&[charge(&"late".into_key(), &limits, 1)], Action::Peek)
            .outcomes()[0]
            .remaining(),
        0
    );
}

#[test]
fn a_shared_budget_takes_refunds() {
    let clock = TestClock::new();
    let store = store(&clock, 1, 16);
    let limits = limits("5/minute");
    hit(&store, "first", &limits, 1);
    let key = "late".into_key();
    let decision = store.check(&[charge(&key, &limits, 5)], Action::Consume);
    assert!(decision.is_allowed());
    store.refund(&[charge(&key, &limits, 5)], decision.receipts());
    assert!(hit(&store, "late", &limits, 5).is_allowed());
}

#[test]
fn a_store_with_one_place_is_exact_for_the_key_that_holds_it() {
    let clock = TestClock::new();
    let store = store(&clock, 1, 1);
    let limits = limits("2/minute");
    assert!(hit(&store, "one", &limits, 1).is_allowed());
    for stranger in 0..1_000_u32 {
        hit(&store, stranger, &limits, 1);
    }
    assert!(hit(&store, "one", &limits, 1).is_allowed());
    assert!(!hit(&store, "one", &limits, 1).is_allowed());
}

#[test]
fn clear_and_reset_make_room() {
    let clock = TestClock::new();
    let store = store(&clock, 10, 16);
    let limits = limits("3/minute");
    for key in 0..10_u32 {
        for _ in 0..3 {
            hit(&store, key, &limits, 1);
        }
    }
    assert_eq!(store.reset_key(SCOPE, &4_u32.into_key()), 1);
    assert_eq!(store.usage().keys, 9);
    assert_eq!(hit(&store, 4_u32, &limits, 1).outcomes()[0].remaining(), 2);
    store.reset_all();
    assert_eq!(store.usage().keys, 0);
    assert_eq!(hit(&store, 5_u32, &limits, 1).outcomes()[0].remaining(), 2);
}

#[test]
fn keys_are_counted_right_when_checks_have_two_of_them() {
    let clock = TestClock::new();
    let store = store(&clock, 100_000, 8);
    let short = limits("5/10ms");
    let mut random = Random::new(3);
    for turn in 0..100_000_u64 {
        clock.advance(Duration::from_micros(300));
        // One key that returns, and one that does not.
        let (tenant, user) = (random.below(2_000).into_key(), (turn, "user").into_key());
        let both = [charge(&tenant, &short, 1), charge(&user, &short, 1)];
        store.check(&both, Action::Consume);
    }
    let tables = store.shards.iter().map(|shard| shard.0.lock().table.len());
    assert_eq!(store.usage().keys, tables.sum::<usize>());
}

#[test]
fn what_a_shared_budget_counted_is_inherited_although_the_clock_stepped_back() {
    for number in 0..50_u64 {
        let clock = TestClock::new();
        let store = store(&clock, 1, 8);
        let limits = limits("3/minute");
        hit(&store, "filler", &limits, 1);
        let mut admitted = 0;
        let mut come = |times| {
            for _ in 0..times {
                admitted += u32::from(hit(&store, number, &limits, 1).is_allowed());
            }
        };
        come(2);
        let own = store.owners.owner(SCOPE, &number.into_key());
        let spare = store.owners.shared(SCOPE, own);
        // Only the shard of the shared budget sees the later time.
        clock.advance(Duration::from_secs(20));
        assert!(store.shard(spare).lock().now(clock.now()).is_some());
        clock.step_back(Duration::from_secs(20));
        store.reset_key(SCOPE, &"filler".into_key());
        // The shared budget takes a place as well.
        store.release(1);
        come(6);
        assert_eq!(admitted, 3);
    }
}
