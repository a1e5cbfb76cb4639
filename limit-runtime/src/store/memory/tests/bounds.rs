//! What merging and memory bounds promise, checked against a list of all hits.

use super::{charge, hit, limits, store};
use crate::{
    clock::TestClock,
    decision::Verdict,
    key::IntoKey,
    store::{
        Action,
        memory::{Bounds, MemoryStore, WhenFull},
    },
};
use limit_core::{Limit, Limits};
use std::{num::NonZeroU64, time::Duration};
use test_support::random::Random;

/// The units of a list of hits since `from`.
fn since(hits: &[(u64, u64)], from: u64) -> u64 {
    let hits = hits.iter().rev().take_while(|&&(at, _)| at > from);
    hits.map(|&(_, units)| units).sum()
}

fn limit(count: u64, millis: u64) -> Limit {
    let window = Duration::from_millis(millis);
    Limit::new(NonZeroU64::new(count).unwrap(), window).unwrap()
}

/// However many hits merge, no limit admits more than its count in any interval as long as its
/// window, and refuses nothing that would fit if each hit counted for a part of 1/B longer.
#[test]
fn merged_logs_never_admit_too_much_and_hardly_refuse_too_much() {
    let mut random = Random::new(0x6e26);
    for round in 0..60 {
        let entries = [1, 2, 5, 16, 64][round % 5];
        let several: Vec<Limit> = match random.below(3) {
            0 => vec![limit(40 + random.below(2_000), 60_000)],
            1 => vec![limit(10 + random.below(300), 1_000), limit(3_000, 60_000)],
            _ => vec![
                limit(10 + random.below(100), 1_000),
                limit(500 + random.below(500), 20_000),
                limit(3_000 + random.below(9_000), 3_600_000),
            ],
        };
        let limits = Limits::new(&several).unwrap();
        let clock = TestClock::new();
        let store = store(&clock, 10, entries);
        let mut hits: Vec<(u64, u64)> = Vec::new();
        let mut refused = 0;
        let pause = 1 + random.below(40_000);
        for _ in 0..6_000 {
            clock.advance(Duration::from_micros(match random.below(50) {
                0 => random.below(2_000_000),
                1 => 0,
                _ => random.below(pause),
            }));
            let now = clock.now().as_micros();
            let cost = if random.one_in(10) {
                1 + random.below(5)
            } else {
                1
            };
            let decision = hit(&store, "key", &limits, cost);
            for (limit, outcome) in limits.iter().zip(decision.outcomes()) {
                let (count, window) = (limit.count().get(), limit.window_millis() * 1_000);
                if decision.is_allowed() {
                    assert!(
                        since(&hits, now - window) + cost <= count,
                        "{limit} of {limits}"
                    );
                } else if let Verdict::RetryAfter(_) = outcome.verdict() {
                    // Rounding to ticks adds two of them.
                    let longer = window + window / u64::from(entries) + 2 * 64;
                    assert!(
                        since(&hits, now - longer) + cost > count,
                        "{limit} of {limits}"
                    );
                    refused += 1;
                }
            }
            if decision.is_allowed() {
                hits.push((now, cost));
            }
        }
        assert!(refused > 0 || hits.len() == 6_000, "{limits}");
    }
}

/// As [`LimiterBuilder::max_log_entries`](crate::LimiterBuilder::max_log_entries) documents it.
#[test]
fn a_key_takes_no_more_memory_than_documented_whatever_its_limits() {
    let all = [
        limit(1_000_000, 1_000),
        limit(2_000_000, 5_000),
        limit(3_000_000, 20_000),
        limit(4_000_000, 60_000),
        limit(5_000_000, 600_000),
        limit(6_000_000, 3_600_000),
        limit(7_000_000, 86_400_000),
        limit(8_000_000, 604_800_000),
    ];
    let mut random = Random::new(77);
    for entries in [1, 3, 16, 99, 100, 1_023, 1_024] {
        for count in 1..=8 {
            let limits = Limits::new(&all[..count]).unwrap();
            let clock = TestClock::new();
            let store = store(&clock, 10, entries);
            hit(&store, "key", &limits, 1);
            let empty = store.usage().bytes;
            let mut largest = 0;
            // Bursts within each window, and pauses up to the next one.
            for step in 0..60_000_u64 {
                let window = all[step as usize * count / 60_000].window_millis();
                let pause = random.below(window * 1_000 / (2 * u64::from(entries)) + 2);
                clock.advance(Duration::from_micros(pause));
                hit(&store, "key", &limits, 1);
                largest = largest.max(store.usage().bytes - empty);
            }
            let entries = entries as usize;
            let documented = match count {
                1 => (16 * entries + 16).max(72),
                several => several * (20 * entries + 24),
            };
            assert!(largest <= documented, "{limits}: {largest} of {documented}");
            assert_eq!(store.usage().bytes, store.bytes());
        }
    }
}

#[test]
fn the_memory_of_a_million_keys_returns_within_four_thousand_checks() {
    let clock = TestClock::new();
    let store = MemoryStore::new(clock.clone().into(), Bounds::default());
    let limits = limits("5/second");
    for key in 0..1_000_000_u32 {
        hit(&store, key, &limits, 1);
    }
    assert!(store.usage().keys > 990_000, "{:?}", store.usage());
    let full = store.usage().bytes;
    clock.advance(Duration::from_secs(2));
    // All within one millisecond: what matters is the number of checks.
    for _ in 0..4_000 {
        hit(&store, "left", &limits, 1);
    }
    let usage = store.usage();
    assert_eq!(usage.keys, 1);
    assert!(usage.bytes < full / 1_000, "{} of {full}", usage.bytes);
}

/// With hardly any memory, limits are stricter and never exceeded.
#[test]
fn memory_stays_below_its_maximum_under_long_logs_and_a_flood() {
    // Shared budgets may make each of 64 tables grow by the 56 places that follow 53.
    let (tables, max_bytes) = (64 * 56 * 64, 400_000);
    for when_full in [WhenFull::ForgetLeastUsed, WhenFull::Share] {
        let clock = TestClock::new();
        let bounds = Bounds {
            max_bytes,
            when_full,
            ..Bounds::default()
        };
        let store = MemoryStore::new(clock.clone().into(), bounds);
        let limits = limits("1000/minute");
        let mut admitted = vec![0; 200];
        for step in 0..200_000_u32 {
            clock.advance(Duration::from_micros(100));
            let key = step % 200;
            if hit(&store, ("long", key), &limits, 1).is_allowed() {
                admitted[key as usize] += 1;
            }
            hit(&store, ("invented", step), &limits, 1);
            assert!(
                store.usage().bytes <= max_bytes + tables,
                "{:?}",
                store.usage()
            );
        }
        assert!(admitted.iter().all(|&admitted| admitted <= 1_000));
        let usage = store.usage();
        assert!(usage.evicted + usage.shared > 0, "{usage:?}");
        assert_eq!(usage.bytes, store.bytes());
        store.reset_all();
        assert_eq!((store.usage().keys, store.usage().bytes), (0, 0));
    }
}

/// Hits of any cost then take the memory of the entries that there are.
#[test]
fn logs_take_nothing_beyond_the_maximum() {
    let clock = TestClock::new();
    let max_bytes = 20_000;
    let bounds = Bounds {
        max_bytes,
        ..Bounds::default()
    };
    let store = MemoryStore::new(clock.clone().into(), bounds);
    let limits = limits("60/minute; 100/hour");
    for key in 0..300_u32 {
        hit(&store, key, &limits, 1);
    }
    assert!(store.usage().bytes > max_bytes, "{:?}", store.usage());
    let mut random = Random::new(5);
    let mut admitted = vec![0; 300];
    for _ in 0..40_000 {
        clock.advance(Duration::from_millis(random.below(4)));
        let (key, cost) = (random.below(300), 1 + random.below(3));
        let key_of = u32::try_from(key).unwrap();
        if hit(&store, key_of, &limits, cost).is_allowed() {
            admitted[key as usize] += cost;
        }
    }
    assert_eq!((store.log_bytes(), store.usage().bytes), (0, store.bytes()));
    assert!(admitted.iter().all(|&admitted| admitted <= 100));
    assert!(admitted.iter().sum::<u64>() > 4_000, "{admitted:?}");
}

/// A peek sees what a check would do, also when the store is full.
#[test]
fn a_peek_and_a_check_agree_in_a_full_store() {
    for when_full in [WhenFull::ForgetLeastUsed, WhenFull::Share] {
        let clock = TestClock::new();
        let bounds = Bounds {
            max_keys: 20,
            when_full,
            ..Bounds::default()
        };
        let store = MemoryStore::new(clock.clone().into(), bounds);
        let several = [
            limits("1/minute"),
            limits("4/minute"),
            limits("2/second; 6/minute"),
        ];
        let mut random = Random::new(9);
        for _ in 0..20_000 {
            clock.advance(Duration::from_millis(random.below(400)));
            let key = random.below(100).into_key();
            let limits = &several[random.below(3) as usize];
            let charges = [charge(&key, limits, 1)];
            let peek = store.check(&charges, Action::Peek).is_allowed();
            let check = store.check(&charges, Action::Consume).is_allowed();
            assert_eq!(peek, check);
        }
    }
}
