//! Cached denials: read without the lock, and never repeated longer than they hold.

use super::{charge, hit, limits, store};
use crate::{clock::TestClock, decision::Verdict, key::IntoKey, store::Action, window::Strategy};
use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};
use test_support::random::Random;

const MINUTE: Duration = Duration::from_secs(60);

/// A store with one hit of 1/minute, and a denial that was given and repeated.
macro_rules! refused {
    ($clock:ident, $store:ident, $limits:ident) => {
        let $clock = TestClock::new();
        let $store = store(&$clock, 1_000, 16);
        let $limits = limits("1/minute");
        let admitted = hit(&$store, "a", &$limits, 1);
        for _ in 0..3 {
            assert!(!hit(&$store, "a", &$limits, 1).is_allowed());
        }
        let _ = &admitted;
    };
    ($clock:ident, $store:ident, $limits:ident, $admitted:ident) => {
        let $clock = TestClock::new();
        let $store = store(&$clock, 1_000, 16);
        let $limits = limits("1/minute");
        let $admitted = hit(&$store, "a", &$limits, 1);
        for _ in 0..3 {
            assert!(!hit(&$store, "a", &$limits, 1).is_allowed());
        }
    };
}

#[test]
fn a_repeated_refusal_counts_down_and_ends_on_the_tick() {
    refused!(clock, store, limits);
    for gone in 0..60 {
        let refusal = hit(&store, "a", &limits, 1);
        let left = MINUTE - Duration::from_secs(gone);
        let outcome = refusal.outcomes()[0];
        assert_eq!(outcome.verdict(), Verdict::RetryAfter(left));
        assert_eq!((outcome.remaining(), outcome.reset_after()), (0, left));
        clock.advance(Duration::from_secs(1) - Duration::from_micros(u64::from(gone == 59)));
    }
    assert!(!hit(&store, "a", &limits, 1).is_allowed());
    clock.advance(Duration::from_micros(1));
    assert!(hit(&store, "a", &limits, 1).is_allowed());
}

#[test]
fn a_refund_ends_it() {
    refused!(_clock, store, limits, admitted);
    let key = "a".into_key();
    store.refund(&[charge(&key, &limits, 1)], admitted.receipts());
    assert!(hit(&store, "a", &limits, 1).is_allowed());
}

#[test]
fn clear_and_reset_end_it() {
    refused!(_clock, store, limits);
    assert_eq!(store.reset_key(super::SCOPE, &"a".into_key()), 1);
    assert!(hit(&store, "a", &limits, 1).is_allowed());
    assert!(!hit(&store, "a", &limits, 1).is_allowed());
    store.reset_all();
    assert!(hit(&store, "a", &limits, 1).is_allowed());
}

#[test]
fn a_forced_charge_makes_it_longer() {
    refused!(clock, store, limits);
    clock.advance(Duration::from_secs(10));
    let key = "a".into_key();
    store.check(&[charge(&key, &limits, 1)], Action::Force);
    let refusal = hit(&store, "a", &limits, 1);
    assert_eq!(refusal.retry_after(), Some(MINUTE));
}

#[test]
fn other_limits_are_asked_for_themselves_and_what_they_admit_counts() {
    refused!(clock, store, limits);
    clock.advance(Duration::from_secs(10));
    let more = super::limits("2/minute");
    assert!(hit(&store, "a", &more, 1).is_allowed());
    assert!(!hit(&store, "a", &more, 1).is_allowed());
    // The budget of one holds two hits, of which both have to leave.
    let refusal = hit(&store, "a", &limits, 1);
    assert_eq!(refusal.retry_after(), Some(MINUTE));
}

#[test]
fn other_costs_and_strategies_are_asked_for_themselves() {
    refused!(_clock, store, limits);
    assert!(hit(&store, "a", &limits, 2).exceeds_capacity());
    let key = "a".into_key();
    let fixed = charge(&key, &limits, 1).strategy(Strategy::FixedWindow);
    assert!(store.check(&[fixed], Action::Consume).is_allowed());
}

#[test]
fn a_clock_that_steps_back_and_forth_neither_frees_nor_binds() {
    refused!(clock, store, limits);
    clock.step_back(Duration::from_secs(3_600));
    for gone in 0..60 {
        let refusal = hit(&store, "a", &limits, 1);
        let left = MINUTE - Duration::from_secs(gone);
        assert_eq!(refusal.retry_after(), Some(left));
        clock.advance(Duration::from_secs(1));
    }
    assert!(hit(&store, "a", &limits, 1).is_allowed());
    assert!(!hit(&store, "a", &limits, 1).is_allowed());
    // Now the clock reaches the time of the first denial.
    clock.advance(Duration::from_secs(3_600 - 60));
    assert!(hit(&store, "a", &limits, 1).is_allowed());
}

/// A client that retries in a loop is admitted exactly when `retry_after` has passed.
#[test]
fn many_refused_clients_of_one_place_are_each_told_the_truth() {
    let clock = TestClock::new();
    let store = store(&clock, 64, 16);
    let limits = limits("3/second");
    let mut random = Random::new(11);
    let mut admitted = vec![Vec::new(); 40];
    for _ in 0..200_000 {
        clock.advance(Duration::from_micros(random.below(400)));
        let now = clock.now();
        let key = random.below(40) as usize;
        let hits: &mut Vec<_> = &mut admitted[key];
        hits.retain(|&at| now.since(at) < Duration::from_secs(1));
        let decision = hit(&store, key, &limits, 1);
        assert_eq!(decision.is_allowed(), hits.len() < 3);
        if decision.is_allowed() {
            hits.push(now);
        } else {
            let wait = Duration::from_secs(1) - now.since(hits[0]);
            assert_eq!(decision.retry_after(), Some(wait));
        }
    }
}

#[test]
fn readers_without_the_lock_never_see_half_a_refusal() {
    let clock = TestClock::new();
    let store = store(&clock, 1_000, 16);
    let limits = limits("1/minute");
    let is_over = AtomicBool::new(false);
    let seen = AtomicU32::new(0);
    for key in 0..200_u32 {
        assert!(hit(&store, key, &limits, 1).is_allowed());
        clock.advance(Duration::from_millis(1));
    }
    let began = clock.now();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (store, limits, is_over, seen) = (&store, &limits, &is_over, &seen);
            scope.spawn(move || {
                let mut random = Random::new(thread + 1);
                while !is_over.load(Ordering::Relaxed) {
                    let key = random.below(200) as u32;
                    let refusal = hit(store, key, limits, 1);
                    // Each key has a wait of its own, so one of another key would be known.
                    let wait = MINUTE - Duration::from_millis(200 - u64::from(key));
                    assert_eq!(refusal.retry_after(), Some(wait));
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while seen.load(Ordering::Relaxed) < 400_000 {
            thread::yield_now();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(clock.now(), began);
}

/// Reads the budget without the cache.
#[test]
fn a_refusal_says_what_a_look_at_the_budget_says_under_every_strategy() {
    let burst = |burst| Strategy::Gcra {
        burst: NonZeroU64::new(burst).unwrap(),
    };
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        burst(2),
        burst(3),
    ];
    let limits = ["2/second", "3/second", "3/minute", "10000/minute"].map(limits);
    let clock = TestClock::new();
    let store = store(&clock, 64, 16);
    let mut random = Random::new(12);
    let mut refused = 0;
    for _ in 0..100_000 {
        if random.one_in(3) {
            clock.advance(Duration::from_micros(random.below(400_000)));
        }
        let key = random.below(6).into_key();
        let limits = &limits[random.below(4) as usize];
        let strategy = strategies[random.below(5) as usize];
        let charges = [charge(&key, limits, 1).strategy(strategy)];
        let decision = store.check(&charges, Action::Consume);
        if !decision.is_allowed() {
            refused += 1;
            assert_eq!(decision, store.check(&charges, Action::Peek));
        }
    }
    assert!(refused > 10_000, "{refused}");
}
