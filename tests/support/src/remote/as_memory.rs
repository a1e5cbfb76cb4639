//! Several limits and several charges at once, which the model of the oracle does not cover.

use crate::{oracle::StoreUnderTest, random::Random};
use limit_runtime::{
    IntoKey, Limiter, Limits, MAX_COUNT, Strategy,
    clock::TestClock,
    store::{Action, Charge, Scope},
};
use std::{num::NonZeroU64, time::Duration};

/// Several limits and several charges at once, of which some share a budget: each outcome is that
/// of the store in memory.
///
/// `subject` makes a store whose keys have this prefix. `may_force` says for a step whether its
/// charge may be forced, given the unit of all costs.
///
/// # Panics
/// When an outcome is not the one of the store in memory.
pub async fn several_limits_and_charges<S: StoreUnderTest>(
    subject: impl AsyncFn(&TestClock, &str) -> S,
    may_force: impl Fn(u64, usize) -> bool,
) {
    let limits = ["3/s; 8/min", "5/min; 9/3min; 11/10min"];
    let limits: [Limits; 2] = limits.map(|text| text.parse().unwrap());
    let mut random = Random::new(0x5eed_0001);
    for unit in [1, MAX_COUNT / 12] {
        let limits = limits.map(|limits| limits.checked_mul(unit).unwrap());
        let strategies = [
            Strategy::MovingWindow,
            Strategy::FixedWindow,
            Strategy::SlidingWindow,
            Strategy::Gcra {
                burst: NonZeroU64::new(7 * unit).unwrap(),
            },
        ];
        for (number, strategy) in strategies.into_iter().enumerate() {
            let clock = TestClock::new();
            let store = subject(&clock, &format!("several-{unit}-{number}")).await;
            agree(
                &store,
                &clock,
                strategy,
                (&limits, unit),
                &mut random,
                &may_force,
            )
            .await;
        }
    }
}

async fn agree<S: StoreUnderTest>(
    store: &S,
    clock: &TestClock,
    strategy: Strategy,
    (limits, unit): (&[Limits; 2], u64),
    random: &mut Random,
    may_force: &impl Fn(u64, usize) -> bool,
) {
    let memory = Limiter::builder().clock(clock.clone()).build();
    let keys = ["alice".into_key(), "bob".into_key()];
    let mut consumed = Vec::new();
    for step in 0..800 {
        if random.below(2) == 0 {
            clock.advance(Duration::from_micros(random.below(9_000_000)));
        }
        let charges: Vec<Charge<'_>> = (0..1 + random.below(3))
            .map(|_| {
                let which = random.index(2);
                let key = &keys[random.index(2)];
                Charge::new(Scope::shared(["a", "b"][which]), key, &limits[which])
                    .cost(random.below(3) * unit)
                    .strategy(strategy)
            })
            .collect();
        let action = match random.below(10) {
            0 if may_force(unit, step) => Action::Force,
            1 | 2 => Action::Peek,
            _ => Action::Consume,
        };
        let expected = memory.check_all(&charges, action).await.unwrap();
        let found = store.check(&charges, action).await;
        assert_eq!(
            found.outcomes(),
            expected.outcomes(),
            "step {step}, {strategy:?}, {action:?}, {charges:?}"
        );
        assert_eq!(found.receipts().len(), expected.receipts().len());
        if !expected.receipts().is_empty() {
            consumed.push((charges, expected, found));
        }
        if random.below(5) == 0
            && let Some((charges, here, there)) = consumed.pop()
        {
            memory.refund(&charges, here.receipts()).await.unwrap();
            store.refund(&charges, there.receipts()).await;
        }
    }
    assert!(consumed.len() > 50, "{}", consumed.len());
}
