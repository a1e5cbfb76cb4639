//! What every limiter must hold of `next_after`: more remains once it has passed, and not a
//! microsecond sooner.

use crate::random::Random;
use limit_runtime::{
    Decision, IntoKey, Key, Limiter, Limits, Outcome, Strategy,
    clock::TestClock,
    store::{Action, Charge, Scope},
};
use std::{num::NonZeroU64, time::Duration};

const LIMITS: [&str; 9] = [
    "3/7ms",
    "10/second",
    "4/second; 9/3s",
    "10/minute",
    "5/minute; 7/2min; 40/hour",
    "6/hour",
    "3/5h; 12/25h",
    "9/30days",
    "2/365days",
];

/// Makes random checks, forced charges, peeks and refunds, `steps` on each of the limits under each
/// strategy. In between, the clock goes to where an answer said that more remains.
///
/// # Panics
/// When more remains sooner or later than the answer said.
pub async fn more_remains_exactly_after_next_after(
    limiter: &Limiter,
    clock: &TestClock,
    steps: u64,
) {
    let burst = |burst| Strategy::Gcra {
        burst: NonZeroU64::new(burst).unwrap(),
    };
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        burst(1),
        burst(4),
        burst(25),
    ];
    let mut random = Random::new(0x5eed_9e37);
    let mut grown = 0;
    for (number, strategy) in (0_u64..).zip(strategies) {
        for text in LIMITS {
            let budget = Budget {
                limiter,
                clock,
                key: (number, text).into_key(),
                limits: text.parse().unwrap(),
                strategy,
            };
            // A store represents no more than some centuries.
            let steps = if text.ends_with("days") {
                steps.min(40)
            } else {
                steps
            };
            grown += sequence(&budget, &mut random, steps).await;
        }
    }
    let sequences = (strategies.len() * LIMITS.len()) as u64;
    assert!(grown > sequences * steps / 10, "{grown}");
}

struct Budget<'a> {
    limiter: &'a Limiter,
    clock: &'a TestClock,
    key: Key,
    limits: Limits,
    strategy: Strategy,
}

impl Budget<'_> {
    fn charge(&self, cost: u64) -> Charge<'_> {
        Charge::new(Scope::shared("growth"), &self.key, &self.limits)
            .cost(cost)
            .strategy(self.strategy)
    }

    async fn check(&self, cost: u64, action: Action) -> Decision {
        let charges = [self.charge(cost)];
        self.limiter.check_all(&charges, action).await.unwrap()
    }

    async fn remaining(&self, limit: usize) -> u64 {
        self.check(0, Action::Peek).await.outcomes()[limit].remaining()
    }
}

/// Returns how often more remained.
async fn sequence(budget: &Budget<'_>, random: &mut Random, steps: u64) -> u64 {
    let window = budget.limits.first().window_millis() * 1_000;
    let mut consumed = Vec::new();
    let mut grown = 0;
    for _ in 0..steps {
        let pause = match random.below(5) {
            0 | 1 => 0,
            2 => random.below(window / 5 + 2),
            3 => random.below(2_000),
            _ => random.below(window),
        };
        budget.clock.advance(Duration::from_micros(pause));
        let cost = random.below(4);
        let action = match random.below(12) {
            0 => Action::Force,
            1 => Action::Peek,
            _ => Action::Consume,
        };
        let mut decision = budget.check(cost, action).await;
        if !decision.receipts().is_empty() {
            consumed.push((cost, decision.receipts().to_vec()));
        }
        if random.below(8) == 0
            && let Some((cost, receipts)) = consumed.pop()
        {
            let charges = [budget.charge(cost)];
            budget.limiter.refund(&charges, &receipts).await.unwrap();
            decision = budget.check(0, Action::Peek).await;
        }
        for outcome in decision.outcomes() {
            assert_consistent(outcome, decision.receipts().is_empty());
        }
        if random.below(3) == 0 {
            grown += u64::from(advance_to_where_more_remains(budget, &decision).await);
        }
    }
    grown
}

fn assert_consistent(outcome: &Outcome, is_untouched: bool) {
    let is_full = outcome.remaining() == outcome.capacity().get();
    assert!(outcome.remaining() <= outcome.capacity().get());
    assert_eq!(outcome.next_after().is_zero(), is_full, "{outcome:?}");
    assert!(outcome.next_after() <= outcome.reset_after(), "{outcome:?}");
    // A forced charge is answered with the wait that it had before.
    if let Some(wait) = outcome.retry_after().filter(|_| is_untouched) {
        assert!(outcome.next_after() <= wait, "{outcome:?}");
    }
}

/// `false` if all remains.
async fn advance_to_where_more_remains(budget: &Budget<'_>, decision: &Decision) -> bool {
    let outcomes = decision.outcomes().iter().enumerate();
    let first = outcomes
        .filter(|(_, outcome)| !outcome.next_after().is_zero())
        .min_by_key(|(_, outcome)| outcome.next_after());
    let Some((limit, outcome)) = first else {
        return false;
    };
    let tick = Duration::from_micros(1);
    let context = || format!("{:?}, {outcome:?}", budget.strategy);
    budget.clock.advance(outcome.next_after() - tick);
    let sooner = budget.remaining(limit).await;
    assert_eq!(sooner, outcome.remaining(), "sooner: {}", context());
    budget.clock.advance(tick);
    let then = budget.remaining(limit).await;
    assert!(then > outcome.remaining(), "then: {}", context());
    true
}
