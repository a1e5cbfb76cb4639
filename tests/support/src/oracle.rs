//! Random checks against a model that counts by brute force: every answer must be the same, from
//! any store and under each strategy.

use crate::{
    models::strategies::{Answer, Rule, StrategyModel},
    random::Random,
};
use limit_runtime::{
    Decision, IntoKey, Key, Limits, Receipt, Strategy, Verdict,
    clock::{Clock, TestClock},
    store::{Action, Charge, Scope},
};
use std::{future::Future, num::NonZeroU32, time::Duration};

/// Some are longer than fits into 32 bits of microseconds, so that the moving window counts in
/// longer ticks.
const WINDOWS: [&str; 6] = ["7ms", "1s", "1min", "17min", "5h", "365d"];

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

    /// The moving window's tick under a window of so many microseconds.
    fn tick(window: u64) -> u64;
}

fn strategies() -> [Strategy; 4] {
    [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra {
            burst: NonZeroU32::new(7).unwrap(),
        },
    ]
}

/// Makes at least `checks` checks, each sequence on a store that `subject` makes.
///
/// # Panics
/// When an answer is not the model's.
pub async fn run<S: StoreUnderTest>(checks: usize, subject: impl AsyncFn(&TestClock, u64) -> S) {
    let mut done = 0;
    let mut seed = 1;
    while done < checks {
        for strategy in strategies() {
            for window in WINDOWS {
                let clock = TestClock::new();
                let subject = subject(&clock, seed).await;
                done += sequence(&subject, &clock, strategy, window, seed).await;
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
    seed: u64,
) -> usize {
    const STEPS: usize = 250;
    let time = Clock::from(clock.clone());
    let mut random = Random::new(seed);
    let count = 1 + random.below(if seed.is_multiple_of(3) { 400 } else { 12 });
    let limits: Limits = format!("{count}/{window}").parse().unwrap();
    let window_micros = u64::try_from(limits.as_slice()[0].window().as_micros()).unwrap();
    let rule = Rule {
        strategy,
        count,
        window: window_micros,
        tick: S::tick(window_micros),
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
            1..5 => 1,
            5 => random.below(count + 3),
            _ => random.below(4),
        };
        let action = match random.below(20) {
            0 | 1 => Action::Peek,
            2 => Action::Force,
            _ => Action::Consume,
        };
        let charge = |which: usize, cost: u64| {
            Charge::new(Scope::shared("oracle"), &keys[which], &limits)
                .cost(u32::try_from(cost).unwrap())
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
            remaining: outcome.remaining().into(),
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
