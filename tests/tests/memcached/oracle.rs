//! The store gives the answers of the model that counts by brute force.

use limit_runtime::{
    Decision, IntoKey, Limiter, Limits, Receipt, Strategy,
    clock::TestClock,
    store::{Action, Charge, Scope, Store, memcached::MemcachedStore},
};
use std::{num::NonZeroU64, time::Duration};
use test_support::{
    memcached_server::Memcached,
    oracle::{self, StoreUnderTest},
    random::Random,
    remote::as_memory,
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

#[tokio::test]
async fn several_limits_and_charges_are_those_of_memory() {
    let server = Memcached::start();
    as_memory::several_limits_and_charges(
        async |clock, prefix| Subject::new(&server, clock, prefix),
        |_, _| true,
    )
    .await;
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
