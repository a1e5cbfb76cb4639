//! The store gives the answers of the model that counts by brute force.

use limit_runtime::{
    Decision, IntoKey, Limiter, Limits, MAX_COUNT, Receipt, Strategy,
    clock::TestClock,
    store::{Action, Charge, Scope, Store, redis::RedisStore},
};
use std::{num::NonZeroU64, time::Duration};
use test_support::{
    oracle::{self, StoreUnderTest},
    random::Random,
    servers::Server,
};

/// In the default run; `REDIS_ORACLE_CHECKS` asks for another number.
const CHECKS: usize = 15_000;

struct Redis(RedisStore);

impl StoreUnderTest for Redis {
    async fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        self.0.check(charges, action).await.unwrap()
    }

    async fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        self.0.refund(charges, receipts).await.unwrap();
    }

    fn tick(window: u64, _: bool) -> u64 {
        window.div_ceil(1 << 30)
    }
}

impl Redis {
    async fn new(server: &Server, clock: &TestClock, prefix: &str) -> Self {
        // A connection of our own that waits for a busy machine.
        let client = ::redis::Client::open(server.url()).unwrap();
        let patient = ::redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .unwrap();
        let store = RedisStore::from_redis_connection(connection);
        Self(store.key_prefix(prefix).clock(clock.clone()))
    }
}

#[tokio::test]
async fn every_answer_is_that_of_the_model() {
    let server = Server::redis();
    let wanted = std::env::var("REDIS_ORACLE_CHECKS").ok();
    let checks = wanted.map_or(CHECKS, |number| number.parse().unwrap());
    oracle::run(checks, async |clock, seed| {
        Redis::new(&server, clock, &format!("oracle{seed}")).await
    })
    .await;
}

/// What the model does not cover: limits whose count changes, refunds of a bucket, and a bucket
/// that is too large.
#[tokio::test]
async fn buckets_are_those_of_memory() {
    let server = Server::redis();
    let small = [
        "1/min",
        "7/min",
        "60/min",
        "1/3650days",
        "999_999_999_999_999/min",
    ];
    agree_on_buckets(&server, small, 1).await;
    let large = [
        "999_999_999_999_999/min",
        "123_456_789_012_345/hour",
        "60/min",
        "999_999_999_999_999/3650days",
        "500_000_000_000_000/ms",
    ];
    agree_on_buckets(&server, large, MAX_COUNT / 100).await;
}

/// Bursts and costs are multiples of `unit`, but for some costs that are one more.
async fn agree_on_buckets(server: &Server, limits: [&str; 5], unit: u64) {
    let clock = TestClock::new();
    let store = Redis::new(server, &clock, &format!("buckets{unit}")).await;
    let memory = Limiter::builder().clock(clock.clone()).build();
    let limits: [Limits; 5] = limits.map(|text| text.parse().unwrap());
    let key = "alice".into_key();
    let mut random = Random::new(0x5eed);
    let mut consumed = Vec::new();
    for step in 0..3_000 {
        if random.one_in(2) {
            clock.advance(Duration::from_micros(random.below(20_000_000)));
        }
        let limits = &limits[usize::try_from(random.below(5)).unwrap()];
        let bursts = [5 * unit, 5 * unit, 100 * unit, u64::MAX];
        let burst = random.pick(&bursts);
        let burst = NonZeroU64::new(burst).unwrap();
        let cost = (1 + random.below(3)) * unit + u64::from(unit > 1) * random.below(2);
        let charge = Charge::new(Scope::shared("buckets"), &key, limits)
            .cost(cost)
            .strategy(Strategy::Gcra { burst });
        let charges = [charge];
        if random.one_in(4) && !consumed.is_empty() {
            let place = usize::try_from(random.below(consumed.len() as u64)).unwrap();
            let (consumed, here, there): (u64, Receipt, Receipt) = consumed.swap_remove(place);
            let charges = [charge.cost(cost.min(consumed))];
            memory.refund(&charges, &[here]).await.unwrap();
            store.refund(&charges, &[there]).await;
            continue;
        }
        let expected = memory.check_all(&charges, Action::Consume).await.unwrap();
        let found = store.check(&charges, Action::Consume).await;
        assert_eq!(found.outcomes(), expected.outcomes(), "step {step}");
        let receipts = expected.receipts().iter().zip(found.receipts());
        consumed.extend(receipts.map(|(here, there)| (cost, here.clone(), there.clone())));
    }
    assert!(consumed.len() > 100, "{}", consumed.len());
}

/// Several limits and several charges at once, of which some share a budget: each outcome is that
/// of the store in memory.
#[tokio::test]
async fn several_limits_and_charges_are_those_of_memory() {
    let server = Server::redis();
    let limits = ["3/s; 8/min", "5/min; 9/3min; 11/10min"];
    let limits: [Limits; 2] = limits.map(|text| text.parse().unwrap());
    let keys = ["alice".into_key(), "bob".into_key()];
    let mut random = Random::new(0x5eed_0001);
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra {
            burst: NonZeroU64::new(7).unwrap(),
        },
    ];
    let units = [1, MAX_COUNT / 12];
    let cases = units
        .into_iter()
        .flat_map(|unit| strategies.map(|strategy| (unit, strategy)));
    for (unit, strategy) in cases {
        let limits = limits.map(|limits| limits.checked_mul(unit).unwrap());
        let strategy = match strategy {
            Strategy::Gcra { burst } => Strategy::Gcra {
                burst: burst.checked_mul(NonZeroU64::new(unit).unwrap()).unwrap(),
            },
            strategy => strategy,
        };
        let clock = TestClock::new();
        let store = Redis::new(&server, &clock, &format!("several-{unit}-{strategy:?}")).await;
        let memory = Limiter::builder().clock(clock.clone()).build();
        let mut consumed = Vec::new();
        for step in 0..800 {
            if random.below(2) == 0 {
                clock.advance(Duration::from_micros(random.below(9_000_000)));
            }
            let charges: Vec<Charge<'_>> = (0..1 + random.below(3))
                .map(|_| {
                    let which = usize::try_from(random.below(2)).unwrap();
                    let key = &keys[usize::try_from(random.below(2)).unwrap()];
                    Charge::new(Scope::shared(["a", "b"][which]), key, &limits[which])
                        .cost(random.below(3) * unit)
                        .strategy(strategy)
                })
                .collect();
            let action = match random.below(10) {
                // Beyond a few times the largest count, a log in Redis no longer counts.
                0 if unit == 1 || step % 4 == 0 => Action::Force,
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

/// A busy log never comes to rest, so its running totals have to begin anew before they pass 2^53.
#[tokio::test]
async fn running_totals_begin_anew_before_they_are_inexact() {
    let server = Server::redis();
    let clock = TestClock::new();
    let store = Redis::new(&server, &clock, "totals").await;
    let memory = Limiter::builder().clock(clock.clone()).build();
    let limits: Limits = "999_999_999_999_999/10s".parse().unwrap();
    let key = "alice".into_key();
    let scope = Scope::shared("totals");
    let list = format!("{}:m10000", store.0.describe_key(scope, &key).unwrap());
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut random = Random::new(0x5eed_0052);
    let (mut consumed, mut anew, mut before) = (0, 0, 0);
    let mut receipts = Vec::new();
    for step in 0..600 {
        clock.advance(Duration::from_millis(random.below(1_500)));
        let cost = match random.below(4) {
            0 => 1 + random.below(9),
            _ => MAX_COUNT / 9 - random.below(9),
        };
        let charges = [Charge::new(scope, &key, &limits).cost(cost)];
        let expected = memory.check_all(&charges, Action::Consume).await.unwrap();
        let found = store.check(&charges, Action::Consume).await;
        assert_eq!(found.outcomes(), expected.outcomes(), "step {step}");
        if found.is_allowed() {
            consumed += cost;
            receipts.push((expected.receipts()[0].clone(), found.receipts()[0].clone()));
        }
        if random.below(9) == 0
            && let Some((here, there)) = receipts.pop()
        {
            let charges = [charges[0].cost(1 + random.below(5))];
            memory.refund(&charges, &[here]).await.unwrap();
            store.refund(&charges, &[there]).await;
        }
        let newest: Vec<u8> = ::redis::cmd("LINDEX")
            .arg(&list)
            .arg(-1)
            .query_async(&mut connection)
            .await
            .unwrap();
        let total = newest[4..]
            .iter()
            .fold(0, |total, &byte| total << 8 | u64::from(byte));
        assert!(total <= 1 << 52, "step {step}: {total}");
        anew += u32::from(total < before);
        before = total;
    }
    assert!(consumed > 1 << 54, "{consumed}");
    assert!(anew > 3, "{anew}");
}
