//! Memory usage, expiry, and the length of searches in the table.

use super::{SCOPE, hit, limits, store};
use crate::{
    clock::TestClock,
    key::IntoKey,
    store::memory::{
        budget_id::BudgetId, entry::Entry, kind::Kind, planned_charge::PlannedCharge, table::Table,
    },
    window::Strategy,
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use test_support::random::Random;

#[test]
fn keys_that_count_no_more_are_dropped_while_others_come() {
    let clock = TestClock::new();
    let store = store(&clock, 1_000_000, 16);
    let limits = limits("5/second");
    for key in 0..200_000_u32 {
        hit(&store, key, &limits, 1);
        if key % 100 == 0 {
            clock.advance(Duration::from_millis(10));
        }
    }
    // 10,000 of them came within the last second.
    assert!(store.usage().keys < 25_000, "{:?}", store.usage());
}

#[test]
fn memory_is_given_back_after_a_flood_although_one_client_is_left() {
    let clock = TestClock::new();
    let store = store(&clock, 1_000_000, 16);
    let limits = limits("5/second");
    for key in 0..100_000_u32 {
        hit(&store, key, &limits, 4);
        hit(&store, key, &limits, 1);
    }
    assert_eq!(store.usage().keys, 100_000);
    let full = store.bytes();
    for _ in 0..2_000 {
        clock.advance(Duration::from_millis(5));
        hit(&store, "left", &limits, 1);
    }
    assert_eq!(store.usage().keys, 1);
    assert!(store.bytes() < full / 100, "{} of {full}", store.bytes());
}

#[test]
fn a_steady_flood_gets_nearly_all_of_its_count() {
    for (entries, share) in [(1, 50), (4, 80), (16, 94), (64, 98)] {
        let clock = TestClock::new();
        let store = store(&clock, 10, entries);
        let limits = limits("6000/minute");
        let mut admitted = 0_u32;
        for tick in 0..40 * 60 * 20_u32 {
            clock.advance(Duration::from_millis(50));
            for _ in 0..10 {
                let allowed = hit(&store, (), &limits, 1).is_allowed();
                admitted += u32::from(allowed && tick >= 60 * 20);
            }
        }
        let share = 39 * 6_000 * share / 100;
        // The first and the last window are cut off anywhere.
        assert!(
            admitted + 6_000 >= share,
            "{entries}: {admitted} of {share}"
        );
        assert!(admitted <= 39 * 6_000 + 6_000);
    }
}

#[test]
fn a_log_is_no_larger_than_its_limits_and_its_bound_allow() {
    const KEYS: usize = 5_000;
    for (text, most) in [
        // No totals while every hit is one unit.
        ("100/minute", 104 * 4),
        ("100000/hour", 130 * 8),
    ] {
        let clock = TestClock::new();
        let entries = if text == "100/minute" { 1_024 } else { 64 };
        let store = store(&clock, KEYS, entries);
        let limits = limits(text);
        for _ in 0..130 {
            clock.advance(Duration::from_millis(20));
            for key in 0..KEYS {
                hit(&store, key, &limits, 1);
            }
        }
        let each = store.bytes() / KEYS;
        // With the entry, and its part of the table's vacant places.
        assert!(each <= most + 150, "{text}: {each}");
    }
}

#[test]
fn a_log_takes_four_bytes_a_hit_again_once_a_larger_cost_has_left() {
    let clock = TestClock::new();
    let store = store(&clock, 10, 1_024);
    let limits = limits("1000/second");
    hit(&store, "key", &limits, 2);
    clock.advance(Duration::from_millis(999));
    for _ in 0..4 {
        hit(&store, "key", &limits, 1);
    }
    clock.advance(Duration::from_millis(1));
    for _ in 0..100 {
        clock.advance(Duration::from_micros(1));
        hit(&store, "key", &limits, 1);
    }
    let bytes = store.log_bytes();
    assert!((104 * 4..104 * 8).contains(&bytes), "{bytes}");
}

/// An entry of this tag.
fn entry(tag: u64, strategy: Strategy) -> Entry {
    let limits = limits("1/minute");
    let id = BudgetId { high: 0, low: tag };
    let scale = limits.scale();
    Entry::empty(&PlannedCharge::new(
        0,
        id,
        limits.as_slice(),
        scale,
        1,
        strategy,
    ))
}

/// Tags are hashes with a secret seed, so for an attacker they are random numbers, as in this test.
#[test]
fn no_search_is_far_from_home() {
    let mut random = Random::new(3);
    let mut table = Table::default();
    let mut farthest = 0;
    for _ in 0..200_000 {
        let tag = random.next_u64();
        if table.is_full() {
            table.grow();
        }
        let (Ok(place) | Err(place)) = table.find(tag, Kind::LOG);
        table.insert(place, entry(tag, Strategy::MovingWindow));
        farthest = farthest.max(table.distance(tag));
    }
    assert!(farthest <= 128, "{farthest}");
}

/// Attackers choose their addresses, by the thousand and in order.
#[test]
fn addresses_in_a_row_are_spread_like_random_numbers() {
    type Address = fn(u32) -> IpAddr;
    let rows: [(&str, Address); 5] = [
        ("one after another", |n| Ipv4Addr::from(n).into()),
        ("each 256th", |n| Ipv4Addr::from(n << 8).into()),
        ("in the upper bits", |n| {
            Ipv4Addr::from(n.reverse_bits()).into()
        }),
        ("networks one after another", |n| {
            Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(n) << 64).into()
        }),
        ("each 65,536th network", |n| {
            Ipv6Addr::from(0x2001_u128 << 112 | u128::from(n) << 80).into()
        }),
    ];
    for (name, address) in rows {
        let mut table = Table::default();
        let mut shards = [0; 64];
        let mut farthest = 0;
        for number in 0..64_000 {
            let id = BudgetId::new(SCOPE, &address(number).into_key());
            shards[id.high as usize % 64] += 1;
            if table.is_full() {
                table.grow();
            }
            let place = table.find(id.tag(), Kind::LOG);
            table.insert(
                place.expect_err("no two are one"),
                entry(id.tag(), Strategy::MovingWindow),
            );
            farthest = farthest.max(table.distance(id.tag()));
        }
        assert!(farthest <= 128, "{name}: {farthest}");
        // 1,000 each, give or take five standard deviations.
        let fair = 840..1_160;
        assert!(
            shards.iter().all(|shard| fair.contains(shard)),
            "{name}: {shards:?}"
        );
    }
}

#[test]
fn a_table_finds_what_it_holds_and_nothing_else() {
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
    ];
    let mut random = Random::new(5);
    let mut table = Table::default();
    let mut held = std::collections::BTreeSet::new();
    for step in 0..300_000 {
        // Few tags, so that many are found, removed and inserted again, and some differ only in
        // the kind.
        let tag = random.below(400) << 55;
        let number = random.below(3);
        let entry = entry(tag, strategies[number as usize]);
        match table.find(tag, entry.kind()) {
            Ok(place) => {
                assert!(held.remove(&(tag, number)));
                table.remove(place);
            }
            Err(_) => {
                assert!(held.insert((tag, number)));
                if table.is_full() {
                    table.grow();
                }
                let (Ok(place) | Err(place)) = table.find(tag, entry.kind());
                table.insert(place, entry);
            }
        }
        if step % 100 == 0 {
            if table.is_sparse() {
                // A scan that shrinks the table goes on with what it has not seen.
                let scanned = random.below(table.places() as u64 + 1) as usize;
                let rest = |table: &Table, from| {
                    let places = (from..table.places()).filter_map(|place| table.get(place));
                    let rest = places.filter(|entry| !entry.is_vacant());
                    rest.map(|entry| entry.tag).collect::<Vec<_>>()
                };
                let unseen = rest(&table, scanned);
                let place = table.shrink(scanned);
                assert!(rest(&table, place).ends_with(&unseen));
            }
            // A part of the entries, from anywhere on.
            let start = random.below(table.places() as u64) as usize;
            let (count, parity) = (random.below(40) as usize, random.below(2));
            table.remove_where(start, count, |entry| {
                let is_removed = entry.tag >> 55 & 1 == parity;
                if is_removed {
                    let number = entry.kind().strategy_number();
                    assert!(held.remove(&(entry.tag, number)));
                }
                is_removed
            });
            assert_eq!(table.len(), held.len());
            let tags = table.entries().map(|entry| entry.tag);
            assert!(tags.eq(held.iter().map(|&(tag, _)| tag)));
        }
    }
}
