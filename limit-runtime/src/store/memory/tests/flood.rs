//! A full store: no client resets its budget by a flood of keys, and no client is unlimited.

use super::{SCOPE, charge, hit, limits, store};
use crate::{
    clock::TestClock,
    key::IntoKey,
    store::{
        Action,
        memory::{Bounds, MemoryStore, WhenFull, budget_id::BudgetId},
    },
    window::Strategy,
};
use std::{net::Ipv4Addr, time::Duration};
use test_support::random::Random;

/// A store that forgets no key for another.
fn sharing(clock: &TestClock, max_keys: usize) -> MemoryStore {
    let bounds = Bounds {
        max_keys,
        when_full: WhenFull::Share,
        ..Bounds::default()
    };
    MemoryStore::new(clock.clone().into(), bounds)
}

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
    assert!(store.usage().evicted > 17_000, "{:?}", store.usage());
    clock.advance(Duration::from_secs(60));
    assert!(hit(&store, "blocked", &limits, 1).is_allowed());
}

#[test]
fn new_keys_share_budgets_while_the_store_is_full() {
    let clock = TestClock::new();
    let store = sharing(&clock, 100);
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
    let store = sharing(&clock, 10);
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
    let store = sharing(&clock, 1);
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
    let store = sharing(&clock, 1);
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
        let decision = store.check(&both, Action::Consume);
        assert_eq!(decision.outcomes().len(), 2);
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
        let shared = BudgetId::shared(SCOPE, &number.into_key());
        // Only the shard of the shared budget sees the later time.
        clock.advance(Duration::from_secs(20));
        drop(store.enter(shared));
        clock.step_back(Duration::from_secs(20));
        store.reset_key(SCOPE, &"filler".into_key());
        come(6);
        assert_eq!(admitted, 3);
    }
}

/// A flood of keys with one hit of a thousand each evicts itself.
#[test]
fn a_flood_of_invented_keys_shuts_no_new_client_out() {
    for strategy in [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
    ] {
        let clock = TestClock::new();
        let store = store(&clock, 10_000, 1_024);
        let limits = limits("1000/day");
        let admits = |key: (&str, u32)| {
            let key = key.into_key();
            let charge = charge(&key, &limits, 1).strategy(strategy);
            store.check(&[charge], Action::Consume).is_allowed()
        };
        for key in 0..80_000 {
            clock.advance(Duration::from_millis(20));
            admits(("invented", key));
        }
        clock.advance(Duration::from_secs(3_600));
        for client in 0..100 {
            assert!(admits(("client", client)), "{client}");
        }
        let usage = store.usage();
        assert!(usage.keys <= 10_000 && usage.shared == 0, "{usage:?}");
        assert!(usage.evicted >= 70_000, "{usage:?}");
    }
}

#[test]
fn no_key_that_used_more_than_half_or_was_refused_is_forgotten() {
    let clock = TestClock::new();
    let store = store(&clock, 1_000, 1_024);
    let limits = limits("10/hour; 100/day");
    let left = |key: (&str, u32)| {
        let key = key.into_key();
        let peek = store.check(&[charge(&key, &limits, 1)], Action::Peek);
        peek.outcomes()[0].remaining()
    };
    for key in 0..100_u32 {
        for _ in 0..6 {
            assert!(hit(&store, ("more than half", key), &limits, 1).is_allowed());
        }
        assert!(hit(&store, ("refused", key), &limits, 4).is_allowed());
        assert!(!hit(&store, ("refused", key), &limits, 7).is_allowed());
        assert!(hit(&store, ("half", key), &limits, 5).is_allowed());
    }
    for invented in 0..20_000_u32 {
        hit(&store, ("invented", invented), &limits, 1);
        assert!(store.usage().keys <= 1_000);
    }
    for key in 0..100 {
        assert_eq!(left(("more than half", key)), 4);
        assert_eq!(left(("refused", key)), 6);
    }
    // Those that have used half are more used than the invented ones.
    for key in 0..100 {
        assert_eq!(left(("half", key)), 5);
    }
}

#[test]
fn keys_of_which_each_has_used_its_limit_make_new_ones_share_by_network() {
    let clock = TestClock::new();
    let store = store(&clock, 1_000, 1_024);
    let limits = limits("1/hour");
    for key in 0..5_000_u32 {
        hit(&store, key, &limits, 1);
    }
    let admitted = |network: u8| {
        let addresses = (0..=255).map(|host| Ipv4Addr::new(192, 0, network, host));
        addresses
            .filter(|&address| hit(&store, address, &limits, 1).is_allowed())
            .count()
    };
    assert!(admitted(2) <= 1, "one budget for the network");
    assert!(store.usage().shared > 3_000);
    assert_eq!(store.usage().evicted, 0);
    // As soon as there is room, each has its own budget again.
    clock.advance(Duration::from_secs(7_200));
    assert_eq!(admitted(3), 256);
}

/// What the shared budget counts is more than the newcomer's own limit allows.
#[test]
fn a_newcomer_inherits_no_more_than_it_could_have_drawn() {
    for strategy in [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
    ] {
        let clock = TestClock::new();
        let store = sharing(&clock, 1);
        let (roomy, tight) = (limits("100/minute"), limits("2/minute"));
        let key = "other".into_key();
        let consume = |limits, cost| {
            let charge = charge(&key, limits, cost).strategy(strategy);
            store.check(&[charge], Action::Consume).is_allowed()
        };
        hit(&store, "filler", &roomy, 1);
        assert!(consume(&roomy, 50));
        clock.advance(Duration::from_secs(30));
        store.reset_key(SCOPE, &"filler".into_key());
        // The units of half a minute ago count for half a minute, not for a whole one.
        assert!(!consume(&tight, 1), "{strategy:?}");
        clock.advance(Duration::from_secs(90));
        assert!(consume(&tight, 2), "{strategy:?}");
    }
}

#[test]
fn places_and_memory_return_to_zero_after_a_reset() {
    let clock = TestClock::new();
    let store = store(&clock, 1_000, 1_024);
    let limits = limits("5/second");
    let mut random = Random::new(4);
    for step in 0..200_000_u32 {
        clock.advance(Duration::from_millis(10));
        if random.one_in(500) {
            clock.step_back(Duration::from_secs(random.below(20)));
        }
        let (new, known) = (("new", step).into_key(), random.below(150).into_key());
        let cost = 1 + random.below(3);
        let both = [charge(&new, &limits, cost), charge(&known, &limits, 1)];
        let action = match random.below(4) {
            0 => Action::Force,
            1 => Action::Peek,
            _ => Action::Consume,
        };
        store.check(&both, action);
    }
    assert!(store.usage().keys <= 1_000 + 64);
    assert_eq!(store.usage().bytes, store.bytes());
    store.reset_all();
    assert_eq!((store.usage().keys, store.usage().bytes), (0, 0));
}

#[test]
fn hits_that_have_left_the_window_of_a_newcomer_hide_no_younger_ones() {
    let clock = TestClock::new();
    let store = sharing(&clock, 1);
    let (hourly, tight) = (limits("100/hour"), limits("10/minute"));
    hit(&store, "filler", &hourly, 1);
    assert!(hit(&store, "other", &hourly, 10).is_allowed());
    clock.advance(Duration::from_secs(120));
    assert!(hit(&store, "other", &tight, 10).is_allowed());
    clock.advance(Duration::from_secs(1));
    store.reset_key(SCOPE, &"filler".into_key());
    assert!(!hit(&store, "other", &tight, 1).is_allowed());
    // What is not inherited leaves no memory behind.
    clock.advance(Duration::from_secs(120));
    for _ in 0..10 {
        store.check(&[charge(&"other".into_key(), &tight, 1)], Action::Peek);
    }
    assert_eq!(store.usage().bytes, store.bytes());
}
