//! Property tests of the counters on random sequences: worst cases, waits and refunds.

use super::{counter::Counter, gcra::Gcra, strategy::Strategy};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining, Verdict},
};
use limit_core::{Limit, MAX_COUNT};
use std::{num::NonZeroU64, time::Duration};
use test_support::random::Random;

/// A counter with its strategy.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counted(Counter, Strategy);

impl Counted {
    fn assess(&self, now: Ticks, limit: Limit, cost: u64) -> Outcome {
        self.0.assess(now, limit, self.1, cost)
    }

    fn consume(&mut self, now: Ticks, limit: Limit, cost: u64) -> Option<Remaining> {
        self.0.consume(now, limit, self.1, cost)
    }

    /// The largest number of units that an interval as long as the window may admit.
    fn worst(&self, limit: Limit) -> u64 {
        limit.count().get() + self.1.capacity(limit).get()
    }
}

/// The unit of counts and costs: 1, or a number so large that sums need more than 32 bits.
fn scale(random: &mut Random) -> u64 {
    match random.below(3) {
        0 => MAX_COUNT / 12,
        _ => 1,
    }
}

/// A multiple of `scale`, at most `most` times, and sometimes the largest count.
fn count(random: &mut Random, most: u64, scale: u64) -> u64 {
    match random.below(8) {
        0 if scale > 1 => MAX_COUNT,
        _ => (1 + random.below(most)) * scale - random.below(2) * u64::from(scale > 1),
    }
}

const EPOCH: u64 = 1_000_000_000_000;

fn micros(at: u64) -> Ticks {
    Ticks::from_micros(at)
}

fn later(now: Ticks, wait: Duration) -> Ticks {
    micros(now.as_micros() + wait.as_micros() as u64)
}

fn limit(count: u64, window_millis: u64) -> Limit {
    let count = NonZeroU64::new(count).unwrap();
    Limit::new(count, Duration::from_millis(window_millis)).unwrap()
}

fn counters(burst: u64) -> [Counted; 3] {
    let burst = NonZeroU64::new(burst).unwrap();
    [
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ]
    .map(|strategy| Counted(Counter::fresh(strategy).unwrap(), strategy))
}

/// The cost fits after the wait and not a microsecond sooner, and so does a reset.
fn obeys(counter: Counted, now: Ticks, limit: Limit, cost: u64) {
    let outcome = counter.assess(now, limit, cost);
    if let Verdict::RetryAfter(wait) = outcome.verdict() {
        let there = later(now, wait);
        assert_eq!(
            counter.assess(there, limit, cost).verdict(),
            Verdict::Allowed
        );
        let sooner = counter.assess(micros(there.as_micros() - 1), limit, cost);
        assert_ne!(
            sooner.verdict(),
            Verdict::Allowed,
            "{counter:?} {limit} {cost}"
        );
    }
    let full = counter.1.capacity(limit).get();
    assert_eq!(outcome.capacity().get(), full);
    grows_on_the_tick(counter, now, limit, &outcome);
    let there = later(now, outcome.reset_after());
    assert_eq!(counter.assess(there, limit, 0).remaining(), full);
    assert!(counter.0.fresh_at(limit) <= there.max(now) || outcome.reset_after() > Duration::ZERO);
    assert_eq!(
        counter
            .assess(counter.0.fresh_at(limit).max(now), limit, 0)
            .remaining(),
        full
    );
    if outcome.reset_after() > Duration::ZERO {
        let sooner = counter.assess(micros(there.as_micros() - 1), limit, 0);
        assert!(sooner.reset_after() > Duration::ZERO, "{counter:?} {limit}");
    }
}

/// More remains after `next_after` and not a microsecond sooner; by then it has not fallen either.
fn grows_on_the_tick(counter: Counted, now: Ticks, limit: Limit, outcome: &Outcome) {
    let remaining = |at| counter.assess(at, limit, 0).remaining();
    assert_eq!(
        outcome.next_after().is_zero(),
        outcome.remaining() == outcome.capacity().get(),
        "{counter:?} {limit}"
    );
    if !outcome.next_after().is_zero() {
        let there = later(now, outcome.next_after());
        assert!(
            remaining(there) > outcome.remaining(),
            "{counter:?} {limit}"
        );
        let sooner = micros(there.as_micros() - 1);
        assert_eq!(
            remaining(sooner),
            outcome.remaining(),
            "{counter:?} {limit}"
        );
        assert!(outcome.next_after() <= outcome.reset_after());
    }
}

#[test]
fn counters_keep_their_guarantees() {
    let mut random = Random::new(0x5eed_0300);
    for _ in 0..100_000 {
        let window = [1, 7, 333, 1_000, 60_000, 86_400_000][random.below(6) as usize];
        let scale = scale(&mut random);
        let limit = limit(count(&mut random, 9, scale), window);
        for mut counter in counters(count(&mut random, 9, scale)) {
            let mut now = EPOCH;
            let mut admitted: Vec<(u64, u64)> = Vec::new();
            for _ in 0..14 {
                now += [
                    0,
                    0,
                    window * 90,
                    window * 333,
                    window * 1_000,
                    window * 1_000 - 1,
                    random.below(window * 1_500),
                ][random.below(7) as usize];
                let cost = random.below(4) * scale + random.below(2) * u64::from(scale > 1);
                obeys(counter, micros(now), limit, cost);
                let before = counter.assess(micros(now), limit, cost);
                let mut at_once = counter;
                let left = (cost > 0).then(|| at_once.consume(micros(now), limit, cost));
                let fits = before.verdict() == Verdict::Allowed;
                assert_eq!(left.is_some_and(|left| left.is_some()), fits && cost > 0);
                if fits && cost > 0 {
                    counter.0.record(micros(now), limit, cost);
                    admitted.push((now, cost));
                    let after = counter.assess(micros(now), limit, 0);
                    assert_eq!(left, Some(Some(after.left())), "{counter:?} {limit}");
                    assert_eq!(
                        after.remaining(),
                        before.remaining() - cost,
                        "{counter:?} {limit}"
                    );
                }
                assert_eq!(at_once, counter, "{limit} {cost}");
                let within = |hit: &&(u64, u64)| hit.0 + window * 1_000 > now;
                let sum: u64 = admitted.iter().filter(within).map(|hit| hit.1).sum();
                assert!(sum <= counter.worst(limit), "{counter:?} {limit}: {sum}");
            }
        }
    }
}

#[test]
fn the_worst_cases_are_reached() {
    let limit = limit(10, 60_000);
    let minute = 60_000_000;
    let [mut fixed, mut sliding, mut gcra] = counters(10);
    let admit = |counter: &mut Counted, at: u64, wanted: u32| {
        let mut admitted = 0;
        for _ in 0..wanted {
            if counter.assess(micros(EPOCH + at), limit, 1).verdict() == Verdict::Allowed {
                counter.0.record(micros(EPOCH + at), limit, 1);
                admitted += 1;
            }
        }
        admitted
    };
    assert_eq!(admit(&mut fixed, 0, 1), 1);
    let edge = admit(&mut fixed, minute - 1, 20) + admit(&mut fixed, minute, 20);
    assert_eq!(edge, 19, "2 N, less the hit that opened the window");
    assert_eq!(admit(&mut sliding, 0, 1), 1);
    let late = admit(&mut sliding, minute - 1, 20);
    let fading: u32 = (0..60)
        .map(|second| admit(&mut sliding, minute + second * 1_000_000, 20))
        .sum();
    assert_eq!(
        (late, fading),
        (9, 9),
        "2 N, less one on each side of the edge"
    );
    let burst = admit(&mut gcra, 0, 20);
    let even: u32 = (1..60)
        .map(|second| admit(&mut gcra, second * 1_000_000, 20))
        .sum();
    assert_eq!(
        (burst, even),
        (10, 9),
        "N + burst, less what drains at the very end"
    );
}

#[test]
fn a_refund_gives_back_no_more_than_still_counts() {
    let mut random = Random::new(0x5eed_0301);
    for _ in 0..100_000 {
        let window = [1_000, 60_000][random.below(2) as usize];
        let scale = scale(&mut random);
        let limit = limit(10 * scale, window);
        for mut counter in counters(10 * scale) {
            let mut now = EPOCH;
            let mut hits: Vec<(u64, u64)> = Vec::new();
            for _ in 0..6 {
                now += random.below(window * 700);
                let cost = count(&mut random, 3, scale);
                if counter.assess(micros(now), limit, cost).verdict() == Verdict::Allowed {
                    counter.0.record(micros(now), limit, cost);
                    hits.push((now, cost));
                }
            }
            let Some((at, cost)) = hits.pop() else {
                continue;
            };
            let mut without = counter;
            now += random.below(window * 2_500);
            without.0.refund(micros(now), micros(at), limit, cost);
            let kept = counter.assess(micros(now), limit, 0).remaining();
            let given = without.assess(micros(now), limit, 0).remaining() - kept;
            assert!(given <= cost, "{counter:?}");
            if now >= counter.0.fresh_at(limit).as_micros() {
                assert_eq!(given, 0, "{counter:?}");
            }
        }
    }
}

/// The count may change with each request, as that of a tier does.
#[test]
fn a_wait_holds_whatever_the_count_was_before() {
    let mut random = Random::new(0x5eed_0302);
    for _ in 0..100_000 {
        let window = [1, 333, 60_000, 86_400_000][random.below(4) as usize];
        let scale = scale(&mut random);
        let burst = count(&mut random, 9, scale);
        for mut counter in counters(burst) {
            let mut now = EPOCH;
            for _ in 0..8 {
                now += random.below(window * 700);
                let limit = limit(count(&mut random, 9, scale), window);
                let cost = count(&mut random, 3, scale);
                obeys(counter, micros(now), limit, cost);
                counter.consume(micros(now), limit, cost);
            }
        }
    }
}

/// Whatever happened before: forced hits, refunds, and limits whose count or burst changes.
#[test]
fn more_remains_after_next_after_and_not_a_tick_sooner() {
    let mut random = Random::new(0x5eed_0304);
    let mut earlier = 0;
    for _ in 0..100_000 {
        let window = [1, 7, 333, 60_000, 86_400_000][random.below(5) as usize];
        let scale = scale(&mut random);
        for mut counter in counters(1) {
            let mut now = EPOCH;
            let mut hits = Vec::new();
            for _ in 0..10 {
                now += [0, 1, window * 1_000 - 1, random.below(window * 700)]
                    [random.below(4) as usize];
                let limit = limit(count(&mut random, 12, scale), window);
                if let Strategy::Gcra { burst } = &mut counter.1 {
                    *burst = NonZeroU64::new(count(&mut random, 12, scale)).unwrap();
                }
                let cost = count(&mut random, 4, scale);
                let here = micros(now);
                let left = match random.below(6) {
                    0 => {
                        counter.0.record(here, limit, cost);
                        hits.push((here, limit, cost));
                        None
                    }
                    1 => {
                        if let Some((at, limit, cost)) = hits.pop() {
                            counter.0.refund(here, at, limit, cost);
                        }
                        None
                    }
                    _ => counter.consume(here, limit, cost),
                };
                let outcome = counter.assess(here, limit, cost);
                if left.is_some() {
                    assert_eq!(left, Some(outcome.left()), "{counter:?} {limit}");
                    hits.push((here, limit, cost));
                }
                grows_on_the_tick(counter, here, limit, &outcome);
                earlier += u32::from(outcome.next_after() < outcome.reset_after());
            }
        }
    }
    assert!(earlier > 100_000, "{earlier}");
}

#[test]
fn a_changed_count_keeps_the_units_of_a_bucket() {
    let burst = NonZeroU64::new(50).unwrap();
    let mut gcra = Gcra::default();
    gcra.record(micros(EPOCH), limit(10, 60_000), 10);
    let raised = limit(50, 60_000);
    let before = gcra.assess(micros(EPOCH), raised, burst, 0);
    assert_eq!(before.remaining(), 40);
    assert_eq!(before.reset_after(), Duration::from_secs(60));
    let after = gcra.consume(micros(EPOCH), raised, burst, 1).unwrap();
    assert_eq!((after.remaining, after.reset_after), (39, 13_200_000));
}

#[test]
fn a_refund_under_another_count_makes_no_wait_longer() {
    let mut random = Random::new(0x5eed_0303);
    for _ in 0..100_000 {
        let window = [333, 60_000][random.below(2) as usize];
        let scale = scale(&mut random);
        for mut counter in counters(count(&mut random, 4, scale)) {
            let mut now = EPOCH;
            let mut hits = Vec::new();
            for _ in 0..4 {
                now += random.below(window * 700);
                let limit = limit(1 + random.below(60) * scale / 5, window);
                if counter.consume(micros(now), limit, 1).is_some() {
                    hits.push((now, limit));
                }
            }
            let (at, limit) = hits[random.below(hits.len() as u64) as usize];
            now += random.below(window * 1_500);
            let before = counter;
            counter.0.refund(micros(now), micros(at), limit, 1);
            let waits = |counter: Counted| {
                let outcome = counter.assess(micros(now), limit, 1);
                (outcome.reset_after(), outcome.retry_after())
            };
            assert!(waits(counter) <= waits(before), "{before:?}");
            assert!(counter.0.fresh_at(limit) <= before.0.fresh_at(limit).max(micros(now)));
        }
    }
}

#[test]
fn no_bucket_holds_more_than_drains_within_the_longest_wait() {
    let longest = limit(1, 3_650 * 86_400_000);
    for burst in [7, 8, 100_000, u32::MAX.into(), MAX_COUNT] {
        let [.., mut gcra] = counters(burst);
        let admitted = (0..1_000).filter(|_| gcra.consume(micros(EPOCH), longest, 1).is_some());
        assert_eq!(admitted.count(), 7);
        let Verdict::RetryAfter(wait) = gcra.assess(micros(EPOCH), longest, 1).verdict() else {
            panic!("{gcra:?}");
        };
        let then = gcra.assess(later(micros(EPOCH), wait), longest, 1);
        assert_eq!(then.verdict(), Verdict::Allowed);
        assert!(gcra.assess(micros(EPOCH), longest, 8).verdict() == Verdict::ExceedsCapacity);
    }
}
