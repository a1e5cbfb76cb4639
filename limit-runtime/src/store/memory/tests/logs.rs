//! The moving window compared with a model, on a million random sequences.

use super::{charge, hit, limits, store};
use crate::{
    clock::{TestClock, Ticks},
    decision::{Outcome, Receipt, Verdict},
    key::IntoKey,
    store::Action,
};
use limit_core::{Limit, Limits, MAX_COUNT};
use std::{num::NonZeroU64, time::Duration};
use test_support::{models::log::LogModel, random::Random};

const SECOND: u64 = 1_000;
const DAY: u64 = 86_400 * SECOND;
const SHORT: [u64; 4] = [1, 7, 500, 999];
const LONG: [u64; 8] = [
    SECOND,
    2 * SECOND,
    3 * SECOND,
    10 * SECOND,
    60 * SECOND,
    3_600 * SECOND,
    DAY,
    365 * DAY,
];

/// Microseconds: three centuries, of the five that a store can tell apart.
const CENTURIES: u64 = 300 * 365 * DAY * 1_000;

/// Counts and costs about those that totals of 32 bits hold, and up to the largest.
const LARGE: [u64; 6] = [
    u32::MAX as u64 - 1,
    u32::MAX as u64,
    u32::MAX as u64 + 1,
    MAX_COUNT / 2 + 1,
    MAX_COUNT - 1,
    MAX_COUNT,
];

fn random_limits(random: &mut Random, windows: &[u64]) -> Limits {
    loop {
        let count = 1 + random.below(3);
        let limits: Vec<Limit> = (0..count)
            .map(|_| {
                let count = match random.below(40) {
                    0 => random.pick(&LARGE),
                    1..8 => 1,
                    _ => 1 + random.below(12),
                };
                let window = Duration::from_millis(random.pick(windows));
                Limit::new(NonZeroU64::new(count).unwrap(), window).unwrap()
            })
            .collect();
        if let Ok(limits) = Limits::new(&limits) {
            return limits;
        }
    }
}

fn random_pause(random: &mut Random, limits: &Limits) -> u64 {
    let window =
        limits.as_slice()[random.below(limits.len() as u64) as usize].window_millis() * 1_000;
    match random.below(8) {
        0..2 => 0,
        2 => random.below(2_000),
        3 => window,
        4 => window - 1,
        5 => window / 4 / 1_000 * 1_000,
        _ => random.below(window / 2 + 1),
    }
}

fn check(found: &[Outcome], model: &LogModel, now: u64, limits: &Limits) {
    for (outcome, &limit) in found.iter().zip(limits) {
        let stands = model.assess(now, limit, 0);
        assert_eq!(
            outcome.remaining(),
            stands.remaining,
            "remaining of {limit}"
        );
        assert_eq!(
            outcome.reset_after(),
            stands.reset_after,
            "reset_after of {limit}"
        );
        assert_eq!(
            outcome.next_after(),
            stands.next_after,
            "next_after of {limit}"
        );
    }
}

fn verdicts(found: &[Outcome], model: &LogModel, now: u64, limits: &Limits, cost: u64) -> bool {
    let mut all = true;
    for (outcome, &limit) in found.iter().zip(limits) {
        let expected = model.assess(now, limit, cost);
        all &= expected.allowed;
        let retry_after = match outcome.verdict() {
            Verdict::Allowed => {
                assert!(expected.allowed, "{limit} must deny");
                None
            }
            Verdict::RetryAfter(wait) => Some(wait),
            Verdict::ExceedsCapacity => None,
        };
        assert_eq!(outcome.is_allowed(), expected.allowed, "{limit}");
        assert_eq!(retry_after, expected.retry_after, "retry_after of {limit}");
    }
    all
}

/// Random sequences, each for a key of its own: hits, peeks, forced hits, refunds, changes of the
/// limits. Returns the number of checks.
fn run(seed: u64, sequences: u64, entries: u32, windows: &[u64], may_change: bool) -> u64 {
    let mut checks = 0;
    let mut random = Random::new(seed);
    let begin = || {
        let clock = TestClock::new();
        (store(&clock, 100_000, entries), clock)
    };
    let (mut store, mut clock) = begin();
    for sequence in 0..sequences {
        if clock.now().as_micros() > CENTURIES {
            (store, clock) = begin();
        }
        let key = sequence.into_key();
        let mut model = LogModel::new(entries);
        let mut limits = random_limits(&mut random, windows);
        let mut receipts: Vec<(Receipt, u64)> = Vec::new();
        // Hits of one unit each are kept in another way, until something else comes.
        let only_units = random.one_in(8);
        let steps = match entries {
            _ if only_units => 40,
            0..100 => 24,
            _ => 9,
        };
        for _ in 0..steps {
            clock.advance(Duration::from_micros(random_pause(&mut random, &limits)));
            let now = clock.now().as_micros();
            if may_change && random.one_in(8) {
                limits = random_limits(&mut random, windows);
            }
            if random.one_in(if only_units { 80 } else { 8 })
                && let Some((receipt, cost)) = receipts.pop()
            {
                store.refund(
                    &[charge(&key, &limits, cost)],
                    std::slice::from_ref(&receipt),
                );
                model.refund(now, receipt.at(), cost);
            }
            let cost = match random.below(200) {
                _ if only_units => 1,
                0 => random.pick(&LARGE),
                1..150 => 1,
                150..160 => 0,
                _ => random.below(8),
            };
            let action = match random.below(20) {
                0 => Action::Force,
                1 | 2 => Action::Peek,
                _ => Action::Consume,
            };
            let decision = store.check(&[charge(&key, &limits, cost)], action);
            model.ask(now, limits.as_slice());
            let found = decision.outcomes();
            assert_eq!(found.len(), limits.len());
            let allowed = verdicts(found, &model, now, &limits, cost);
            let consumes = action == Action::Force || (action == Action::Consume && allowed);
            if consumes {
                model.record(now, limits.as_slice(), cost);
                receipts.push((decision.receipts()[0].clone(), cost));
                assert_eq!(Ticks::from_micros(decision.receipts()[0].at()), clock.now());
            }
            check(found, &model, now, &limits);
            checks += 1;
        }
    }
    checks
}

/// The long run, by `cargo test --release -p limit-runtime --lib a_hundred_million -- --ignored`.
#[test]
#[ignore = "takes a quarter of an hour"]
fn a_hundred_million_checks_agree_with_the_model() {
    let all: Vec<u64> = SHORT.into_iter().chain(LONG).collect();
    let mut checks = 0;
    for seed in 0x1_0000_0000.. {
        checks += run(seed, 100_000, 1_024, &all, true);
        for entries in [1, 2, 7, 16] {
            checks += run(
                seed ^ u64::from(entries) << 40,
                2_000,
                entries,
                &LONG,
                false,
            );
        }
        if checks >= 100_000_000 {
            break;
        }
    }
}

#[test]
fn exact_logs_agree_with_the_model() {
    run(0x5eed_0001, 600_000, 1_024, &LONG, true);
}

#[test]
fn logs_of_short_windows_agree_with_the_model() {
    let all: Vec<u64> = SHORT.into_iter().chain(LONG).collect();
    run(0x5eed_0002, 300_000, 1_024, &all, true);
}

#[test]
fn logs_that_merge_agree_with_the_model() {
    for (entries, seed) in (1..=6).zip(0x5eed_0100..) {
        run(seed, 25_000, entries, &LONG, false);
        run(seed + 100, 5_000, entries, &SHORT, false);
    }
}

#[test]
fn the_end_of_time_is_no_panic() {
    for text in ["1/minute", "1/hour", "1/3650days"] {
        let clock = TestClock::new();
        let store = store(&clock, 10, 16);
        clock.advance(Duration::MAX);
        for _ in 0..3 {
            hit(&store, "a", &limits(text), 1);
        }
    }
}
