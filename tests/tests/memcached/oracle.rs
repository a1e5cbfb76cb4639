//! The store gives the answers of the model that counts by brute force.

use limit_runtime::{
    Decision, IntoKey, Limiter, Limits, MAX_COUNT, Receipt, Strategy,
    clock::TestClock,
    store::{Action, Charge, Scope, Store, memcached::MemcachedStore},
};
use std::{num::NonZeroU64, time::Duration};
use test_support::{
    memcached_server::Memcached,
    oracle::{self, StoreUnderTest},
    random::Random,
};

/// In the default run; `MEMCACHED_ORACLE_CHECKS` asks for another number.
const CHECKS: usize = 15_000;

struct Subject(MemcachedStore);

impl StoreUnderTest for Subject {
    async fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        self.0.check(charges, action).await.unwrap()
    }

    async fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        self.0.refund(charges, receipts).await.unwrap();
    }

    fn tick(window: u64, _: bool) -> u64 {
        // The smallest power of two with which 31 bits hold the window.
        let mut ticks = (0..).map(|shift| 1 << shift);
        let fits = |tick: &u64| window.div_ceil(*tick) < 1 << 31;
        ticks.find(fits).unwrap()
    }
}

impl Subject {
    fn new(server: &Memcached, clock: &TestClock, prefix: &str) -> Self {
        let store = MemcachedStore::new(&server.url()).unwrap();
        Self(store.key_prefix(prefix).clock(clock.clone()))
    }
}

#[tokio::test]
async fn every_answer_is_that_of_the_model() {
    let server = Memcached::start();
    let wanted = std::env::var("MEMCACHED_ORACLE_CHECKS").ok();
    let checks = wanted.map_or(CHECKS, |number| number.parse().unwrap());
    oracle::run(checks, async |clock, seed| {
        Subject::new(&server, clock, &format!("oracle{seed}"))
    })
    .await;
}

/// Several limits and several charges at once, of which some share a budget: each outcome is that
/// of the store in memory.
#[tokio::test]
async fn several_limits_and_charges_are_those_of_memory() {
    let server = Memcached::start();
    let limits = ["3/s; 8/min", "5/min; 9/3min; 11/10min"];
    let limits: [Limits; 2] = limits.map(|text| text.parse().unwrap());
    let keys = ["alice".into_key(), "bob".into_key()];
    let mut random = Random::new(0x5eed_0001);
    let units = [1, MAX_COUNT / 12];
    for unit in units {
        let limits = limits.map(|limits| limits.checked_mul(unit).unwrap());
        let strategies = [
            Strategy::MovingWindow,
            Strategy::FixedWindow,
            Strategy::SlidingWindow,
            Strategy::Gcra {
                burst: NonZeroU64::new(7 * unit).unwrap(),
            },
        ];
        for strategy in strategies {
            let clock = TestClock::new();
            let prefix = format!("several-{unit}-{}", random.next_u64());
            let store = Subject::new(&server, &clock, &prefix);
            let memory = Limiter::builder().clock(clock.clone()).build();
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
                    0 => Action::Force,
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
    }
}

/// What the model does not cover: limits of which count and window change.
#[tokio::test]
async fn changing_limits_keep_the_history_as_in_memory() {
    let server = Memcached::start();
    let limits = [
        "9/min",
        "4/min",
        "30/20min",
        "9/min; 30/20min",
        "2/s; 200/30min",
    ];
    let limits: [Limits; 5] = limits.map(|text| text.parse().unwrap());
    let key = "alice".into_key();
    let mut random = Random::new(0x5eed_0002);
    for strategy in [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra {
            burst: NonZeroU64::new(5).unwrap(),
        },
    ] {
        let clock = TestClock::new();
        let prefix = format!("changing-{}", random.next_u64());
        let store = Subject::new(&server, &clock, &prefix);
        let memory = Limiter::builder().clock(clock.clone()).build();
        for step in 0..600 {
            clock.advance(Duration::from_micros(random.below(12_000_000)));
            let charge = Charge::new(Scope::shared("changing"), &key, random_of(&limits, step))
                .cost(random.below(3))
                .strategy(strategy);
            let expected = memory.check_all(&[charge], Action::Consume).await.unwrap();
            let found = store.check(&[charge], Action::Consume).await;
            assert_eq!(
                found.outcomes(),
                expected.outcomes(),
                "step {step}, {strategy:?}"
            );
        }
    }
}

fn random_of(limits: &[Limits; 5], step: usize) -> &Limits {
    &limits[step * step % 7 % limits.len()]
}
