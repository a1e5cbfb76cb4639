//! Lean scripts give the answers of the general one, alone and in calls of several checks.

use limit_runtime::{
    Decision, IntoKey, Key, Limits, MAX_COUNT, Receipt, Strategy,
    clock::TestClock,
    limits,
    store::{Action, Charge, Scope, Store, redis::RedisStore},
};
use std::{num::NonZeroU64, time::Duration};
use test_support::{
    random::Random,
    servers::{Server, patient_store},
};

const SCOPE: &str = "lean";
const KEYS: u64 = 12;

/// One check of one key.
#[derive(Clone, Debug)]
struct Step {
    key: Key,
    limits: Limits,
    strategy: Strategy,
    cost: u64,
    action: Action,
}

impl Step {
    fn charge(&self) -> Charge<'_> {
        Charge::new(Scope::shared(SCOPE), &self.key, &self.limits)
            .cost(self.cost)
            .strategy(self.strategy)
    }

    /// Answered by a lean script.
    async fn lean(&self, store: &RedisStore) -> Decision {
        store.check(&[self.charge()], self.action).await.unwrap()
    }

    /// Answered by the general script, because a charge of nothing has another strategy.
    async fn general(&self, store: &RedisStore) -> Decision {
        let (key, limits) = ("other".into_key(), limits!("1/s"));
        let other = match self.strategy {
            Strategy::FixedWindow => Strategy::SlidingWindow,
            _ => Strategy::FixedWindow,
        };
        let other = Charge::new(Scope::shared("other"), &key, &limits)
            .cost(0)
            .strategy(other);
        let charges = [self.charge(), other];
        let mut decision = store.check(&charges, self.action).await.unwrap();
        let (receipts, outcomes) = (decision.receipts().to_vec(), decision.outcomes().to_vec());
        decision = Decision::new(outcomes.into_iter().take(self.limits.len()));
        decision.with_receipts(receipts.into_iter().take(1))
    }
}

fn random_step(random: &mut Random, key: u64, strategy: Strategy, unit: u64) -> Step {
    let limits = [
        "3/s",
        "5/20ms",
        "7/min",
        "3/s; 8/min",
        "4/15min",
        "2/20ms; 5/s; 9/5h",
        "2/20ms; 5/s; 9/5h; 20/30days",
    ];
    let limits: Limits = random.pick(&limits).parse().unwrap();
    Step {
        key: key.into_key(),
        limits: limits.checked_mul(unit).unwrap(),
        strategy,
        cost: random.below(4) * unit + u64::from(unit > 1) * random.below(2),
        action: match random.below(12) {
            0 => Action::Force,
            1 | 2 => Action::Peek,
            _ => Action::Consume,
        },
    }
}

#[tokio::test]
async fn lean_scripts_answer_as_the_general_one() {
    let server = Server::redis();
    let mut random = Random::new(0x1ea9);
    let bursts = [1, 9, 40].map(|burst| NonZeroU64::new(burst).unwrap());
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst: bursts[0] },
        Strategy::Gcra { burst: bursts[1] },
        Strategy::Gcra { burst: bursts[2] },
    ];
    for unit in [1, 1_000, MAX_COUNT / 40] {
        for strategy in strategies {
            let strategy = match strategy {
                Strategy::Gcra { burst } => Strategy::Gcra {
                    burst: burst.saturating_mul(NonZeroU64::new(unit).unwrap()),
                },
                strategy => strategy,
            };
            let clock = TestClock::new();
            clock.advance(Duration::from_secs(50_000));
            let name = |kind: &str| format!("{kind}-{unit}-{strategy:?}");
            let lean = patient_store(&server, &clock, &name("lean")).await;
            let general = patient_store(&server, &clock, &name("general")).await;
            // Each reads what the other has written.
            let mixed = patient_store(&server, &clock, &name("mixed")).await;
            let mut consumed: Vec<(Step, [Receipt; 3])> = Vec::new();
            for round in 0..40 {
                match random.below(12) {
                    // An hour back is 11.6 minutes ago for ticks that have wrapped.
                    0 if random.one_in(3) => clock.step_back(Duration::from_secs(3_600)),
                    0 => clock.step_back(Duration::from_micros(random.below(3_000_000))),
                    1..5 => clock.advance(Duration::from_micros(random.below(90_000))),
                    5..8 => clock.advance(Duration::from_micros(random.below(2_000_000))),
                    8 => clock.advance(Duration::from_secs(random.below(20_000))),
                    _ => {}
                }
                let steps: Vec<Step> = (0..KEYS)
                    .map(|key| random_step(&mut random, key, strategy, unit))
                    .collect();
                // Together, so that one call answers several checks.
                let by_lean = together(steps.iter().map(|step| step.lean(&lean))).await;
                for (step, by_lean) in steps.into_iter().zip(by_lean) {
                    let by_general = step.general(&general).await;
                    let by_either = match random.one_in(2) {
                        true => step.lean(&mixed).await,
                        false => step.general(&mixed).await,
                    };
                    let context = || format!("{strategy:?}, round {round}: {step:?}");
                    assert_eq!(by_lean.outcomes(), by_general.outcomes(), "{}", context());
                    assert_eq!(by_either.outcomes(), by_general.outcomes(), "{}", context());
                    let all = [&by_lean, &by_general, &by_either];
                    let receipts = all.map(|decision| decision.receipts().first().cloned());
                    match receipts {
                        [Some(one), Some(two), Some(three)] => {
                            consumed.push((step, [one, two, three]));
                        }
                        [None, None, None] => {}
                        _ => panic!("{}", context()),
                    }
                }
                if random.one_in(2) && !consumed.is_empty() {
                    let (step, receipts) = consumed.swap_remove(random.index(consumed.len()));
                    for (store, receipt) in [&lean, &general, &mixed].into_iter().zip(receipts) {
                        store.refund(&[step.charge()], &[receipt]).await.unwrap();
                    }
                }
            }
            assert!(consumed.len() > 50, "{strategy:?}: {}", consumed.len());
        }
    }
}

async fn together<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(futures).await
}

/// A log of more than 8,192 entries merges hits, in lean and general scripts alike.
#[tokio::test]
async fn long_logs_merge_alike() {
    let server = Server::redis();
    let clock = TestClock::new();
    let lean = patient_store(&server, &clock, "lean").await;
    let general = patient_store(&server, &clock, "general").await;
    let step = Step {
        key: "alice".into_key(),
        limits: limits!("20_000/s"),
        strategy: Strategy::MovingWindow,
        cost: 1,
        action: Action::Consume,
    };
    let mut random = Random::new(0x1ea9_0002);
    for hit in 0..8_800 {
        clock.advance(Duration::from_micros(random.below(120)));
        if hit < 8_180 {
            let (one, two) = tokio::join!(step.lean(&lean), step.lean(&general));
            assert_eq!(one.outcomes(), two.outcomes());
        } else {
            let (one, two) = tokio::join!(step.lean(&lean), step.general(&general));
            assert_eq!(one.outcomes(), two.outcomes(), "hit {hit}");
        }
    }
}
