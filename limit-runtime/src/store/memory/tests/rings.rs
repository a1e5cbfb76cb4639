//! Long logs of many keys, which grow, share chunks, change their encoding and expire.

use super::{charge, store};
use crate::{
    clock::TestClock,
    decision::Receipt,
    key::{IntoKey, Key},
    store::{Action, memory::MemoryStore},
};
use limit_core::{Limit, Limits};
use std::{num::NonZeroU64, time::Duration};
use test_support::{models::log::LogModel, random::Random};

fn limit(count: u64, millis: u64) -> Limits {
    let count = NonZeroU64::new(count).unwrap();
    Limit::new(count, Duration::from_millis(millis))
        .unwrap()
        .into()
}

/// The operations of a sequence besides hits of one unit.
#[derive(Clone, Copy)]
struct Mix {
    refunds: bool,
    weights: bool,
    changes: bool,
}

struct Client {
    key: Key,
    model: LogModel,
    limits: Limits,
    receipts: Vec<(Receipt, u64)>,
}

fn pause(random: &mut Random, window: u64) -> Duration {
    Duration::from_micros(match random.below(12) {
        0 => window,
        1 => window - 1,
        2 => random.below(window / 10 + 1),
        3 => 0,
        4 => window / 20 / 1_000 * 1_000,
        5 => 999,
        _ => random.below(window / 400 + 2),
    })
}

fn run(seed: u64, steps: u64, entries: u32, windows: &[u64], mix: Mix) {
    let mut random = Random::new(seed);
    let clock = TestClock::new();
    let store = store(&clock, 100_000, entries);
    for _ in 0..4 {
        let mut clients: Vec<_> = (0..40_u64)
            .map(|number| Client {
                key: (seed, number).into_key(),
                model: LogModel::new(entries.max(1)),
                limits: limit(1 + random.below(60), random.pick(windows)),
                receipts: Vec::new(),
            })
            .collect();
        for _ in 0..steps {
            let which = random.below(clients.len() as u64) as usize;
            step(
                &mut random,
                &clock,
                &store,
                &mut clients[which],
                windows,
                mix,
            );
        }
        assert_eq!(store.usage().bytes, store.bytes());
        clock.advance(Duration::from_secs(86_400 * 10_000));
    }
}

fn step(
    random: &mut Random,
    clock: &TestClock,
    store: &MemoryStore,
    client: &mut Client,
    windows: &[u64],
    mix: Mix,
) {
    let Client {
        key,
        model,
        limits,
        receipts,
    } = client;
    if mix.changes && random.one_in(20) {
        let window = match random.below(4) {
            0 => random.pick(windows),
            _ => limits.first().window_millis(),
        };
        *limits = limit(1 + random.below(60), window);
    }
    clock.advance(pause(random, limits.first().window_millis() * 1_000));
    if mix.refunds && random.one_in(60) && !receipts.is_empty() {
        let place = random.below(receipts.len() as u64) as usize;
        let (receipt, cost) = receipts.swap_remove(place);
        store.refund(&[charge(key, limits, cost)], std::slice::from_ref(&receipt));
        model.refund(clock.now().as_micros(), receipt.at(), cost);
    }
    let now = clock.now().as_micros();
    let cost = match random.below(30) {
        0 if mix.weights => random.below(5),
        _ => 1,
    };
    let action = match random.below(40) {
        0 | 1 => Action::Peek,
        2 => Action::Force,
        _ => Action::Consume,
    };
    let decision = store.check(&[charge(key, limits, cost)], action);
    model.ask(now, limits.as_slice());
    let (limit, outcome) = (limits.first(), decision.outcomes()[0]);
    let expected = model.assess(now, limit, cost);
    assert_eq!(outcome.is_allowed(), expected.allowed, "{limit}");
    assert_eq!(outcome.retry_after(), expected.retry_after, "{limit}");
    if action == Action::Force || (action == Action::Consume && expected.allowed) {
        model.record(now, limits.as_slice(), cost);
        receipts.push((decision.receipts()[0].clone(), cost));
    }
    let stands = model.assess(now, limit, 0);
    assert_eq!(outcome.remaining(), stands.remaining, "{limit}");
    assert_eq!(outcome.reset_after(), stands.reset_after, "{limit}");
    assert_eq!(outcome.next_after(), stands.next_after, "{limit}");
}

/// Milliseconds, up to the longest window with ticks of a microsecond.
const FINE: [u64; 6] = [1, 7, 500, 1_000, 60_000, 2_147_482];
/// Windows with longer ticks, up to a quarter of a second.
const COARSE: [u64; 6] = [
    2_147_484,
    2_147_485,
    3_600_000,
    86_400_000,
    2_147_483_647,
    315_360_000_000,
];
const MIXED: [u64; 7] = [7, 999, 1_000, 60_000, 3_600_000, 86_400_000, 2_147_483_648];

#[test]
fn long_logs_of_units_agree_with_the_model() {
    let mix = Mix {
        refunds: false,
        weights: false,
        changes: false,
    };
    for entries in [0, 1, 2, 3, 7, 16, 100, 1_024, u32::MAX] {
        run(u64::from(entries) + 77, 4_000, entries, &FINE, mix);
        run(u64::from(entries) + 99, 4_000, entries, &COARSE, mix);
    }
}

#[test]
fn long_logs_with_refunds_agree_with_the_model() {
    let mix = Mix {
        refunds: true,
        weights: true,
        changes: false,
    };
    for entries in [1, 2, 7, 16, 1_024] {
        run(u64::from(entries) + 990, 4_000, entries, &FINE, mix);
        run(u64::from(entries) + 991, 4_000, entries, &COARSE, mix);
    }
}

#[test]
fn long_logs_whose_limits_change_agree_with_the_model() {
    let mix = Mix {
        refunds: true,
        weights: true,
        changes: true,
    };
    for (seed, windows) in [(1, &MIXED[..]), (2, &FINE), (3, &COARSE)] {
        run(1_990 + seed, 8_000, 1_024, windows, mix);
    }
}
