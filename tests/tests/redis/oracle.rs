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
    remote::as_memory,
    servers::{Server, patient_store},
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
        Self(patient_store(server, clock, prefix).await)
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

#[tokio::test]
async fn several_limits_and_charges_are_those_of_memory() {
    let server = Server::redis();
    as_memory::several_limits_and_charges(
        async |clock, prefix| Redis::new(&server, clock, prefix).await,
        // Beyond a few times the largest count, a log in Redis no longer counts.
        |unit, step| unit == 1 || step % 4 == 0,
    )
    .await;
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
