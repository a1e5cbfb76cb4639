//! Random checks against a model that counts by brute force: every answer must be the same, from
//! any store and under each strategy.

use crate::{
    models::strategies::{Answer, Rule, StrategyModel},
    random::Random,
};
use limit_runtime::{
    Decision, IntoKey, Key, Limits, MAX_COUNT, Receipt, Strategy, Verdict,
    clock::{Clock, TestClock},
    store::{Action, Charge, Scope},
};
use std::{future::Future, num::NonZeroU64, time::Duration};

/// Some are longer than fits into 32 bits of microseconds, so that the moving window counts in
/// longer ticks.
const WINDOWS: [&str; 6] = ["7ms", "1s", "1min", "17min", "5h", "365d"];

/// Forced charges stop above this total: counters count up to more than any limit allows, and not
/// further.
const MAX_TOTAL: u64 = 1 << 50;

/// A store under test, empty and with a clock of its own.
pub trait StoreUnderTest {
    /// What a check answers.
    fn check(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> impl Future<Output = Decision> + Send;

    /// Gives back what a check consumed.
    fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> impl Future<Output = ()> + Send;

    /// The tick of the moving window, in microseconds, for a window of this many microseconds.
    /// `is_large` is whether costs need more than 32 bits.
    fn tick(window: u64, is_large: bool) -> u64;
}

/// The size of counts and costs.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Most costs are multiples of this.
    unit: u64,
    /// The largest count, in units.
    most: u64,
}

const SMALL: Sizes = Sizes { unit: 1, most: 12 };
/// Up to the largest count, which is 12 units and three more.
const LARGE: Sizes = Sizes {
    unit: MAX_COUNT / 12,
    most: 12,
};

impl Sizes {
    fn count(self, random: &mut Random, seed: u64) -> u64 {
        match (self.unit, seed % 3) {
            (1, 0) => 1 + random.below(400),
            (1, _) => 1 + random.below(self.most),
            (_, 0) => MAX_COUNT,
            (unit, _) => (1 + random.below(self.most)) * unit - random.below(2),
        }
    }

    fn cost(self, random: &mut Random) -> u64 {
        match random.below(4) * self.unit {
            0 => 0,
            cost if self.unit == 1 => cost,
            cost => cost + random.below(2),
        }
    }
}

fn strategies(burst: u64) -> [Strategy; 4] {
    [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra {
            burst: NonZeroU64::new(burst).unwrap(),
        },
    ]
}

/// Makes at least `checks` checks, each sequence on a store that `subject` makes.
///
/// # Panics
/// When an answer is not the model's.
pub async fn run<S: StoreUnderTest>(checks: usize, subject: impl AsyncFn(&TestClock, u64) -> S) {
    let mut done = 0;
    let (mut seed, mut round) = (1, 0);
    while done < checks {
        // Every third round has counts and costs up to the largest ones.
        let sizes = if round % 3 == 1 { LARGE } else { SMALL };
        round += 1;
        for strategy in strategies(7 * sizes.unit) {
            for window in WINDOWS {
                let clock = TestClock::new();
                let subject = subject(&clock, seed).await;
                done += sequence(&subject, &clock, strategy, window, (seed, sizes)).await;
                seed += 1;
            }
        }
    }
    println!("{done} checks, 0 mismatches");
}

/// A sequence of checks on a few keys. Returns how many.
async fn sequence<S: StoreUnderTest>(
    store: &S,
    clock: &TestClock,
    strategy: Strategy,
    window: &str,
    (seed, sizes): (u64, Sizes),
) -> usize {
    const STEPS: usize = 250;
    let time = Clock::from(clock.clone());
    let mut random = Random::new(seed);
    let count = sizes.count(&mut random, seed);
    let limits: Limits = format!("{count}/{window}").parse().unwrap();
    let window_micros = limits.first().window_millis() * 1_000;
    let rule = Rule {
        strategy,
        count,
        window: window_micros,
        tick: S::tick(window_micros, sizes.unit > 1),
    };
    let mut models: [StrategyModel; 3] = Default::default();
    let keys: [Key; 3] = [0_u8, 1, 2].map(IntoKey::into_key);
    let mut consumed = Vec::new();
    for step in 0..STEPS {
        let long = rule.window;
        let jump = match random.below(10) {
            0..4 => 0,
            4..7 => random.below(rule.window / count + 2),
            7 | 8 => random.below(long),
            _ => long * random.below(3) + random.below(2 * rule.tick),
        };
        clock.advance(Duration::from_micros(jump));
        let now = time.now().as_micros();
        let which = usize::try_from(random.below(3)).unwrap();
        let cost = match random.below(8) {
            0 => 0,
            1..5 => sizes.unit,
            5 => random.below(count + 3),
            _ => sizes.cost(&mut random),
        };
        let may_force = models[which].used(&rule, now) + cost < MAX_TOTAL;
        let action = match random.below(20) {
            0 | 1 => Action::Peek,
            2 if may_force => Action::Force,
            _ => Action::Consume,
        };
        let charge = |which: usize, cost: u64| {
            Charge::new(Scope::shared("oracle"), &keys[which], &limits)
                .cost(cost)
                .strategy(strategy)
        };
        let decision = store.check(&[charge(which, cost)], action).await;
        let mut expected = models[which].assess(&rule, now, cost);
        let consumes = action == Action::Force || action == Action::Consume && expected.wait == 0;
        if consumes && cost > 0 {
            models[which].record(&rule, now, cost);
            let after = models[which].assess(&rule, now, 0);
            expected.remaining = after.remaining;
            expected.reset = after.reset;
            expected.next = after.next;
        }
        let outcome = decision.outcomes()[0];
        let found = Answer {
            remaining: outcome.remaining(),
            reset: u64::try_from(outcome.reset_after().as_micros()).unwrap(),
            next: u64::try_from(outcome.next_after().as_micros()).unwrap(),
            wait: match outcome.verdict() {
                Verdict::Allowed => 0,
                Verdict::RetryAfter(wait) => u64::try_from(wait.as_micros()).unwrap(),
                _ => u64::MAX,
            },
        };
        assert_eq!(
            found, expected,
            "step {step} of seed {seed}: {count}/{window}, {strategy:?}, cost {cost}, {action:?}, at {now}"
        );
        assert_eq!(decision.receipts().is_empty(), !consumes);
        if let Some(receipt) = decision.receipts().first() {
            consumed.push((which, receipt.clone(), cost));
        }
        // The other strategies hold no hits apart: rows say what they give back.
        if strategy == Strategy::MovingWindow && random.below(6) == 0 && !consumed.is_empty() {
            let place = random.below(consumed.len().min(9) as u64);
            let place = consumed.len() - 1 - usize::try_from(place).unwrap();
            let (which, receipt, cost) = consumed.swap_remove(place);
            let units = random.below(cost + 1);
            let charge = charge(which, units);
            store
                .refund(&[charge], std::slice::from_ref(&receipt))
                .await;
            models[which].refund(&rule, receipt.at(), units);
        }
    }
    STEPS
}
