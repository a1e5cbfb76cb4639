//! Forced charges and refunds with an id count once.

use limit_runtime::{
    Decision, IntoKey, Limiter, Limits, Strategy, limits,
    store::{Action, Charge, ChargeId, Scope, Store, redis::RedisStore},
};
use std::num::NonZeroU64;
use test_support::servers::{Cluster, Server, ask, patient};

const SCOPE: Scope<'static> = Scope::shared("ids");
const STRATEGIES: [Strategy; 4] = [
    Strategy::MovingWindow,
    Strategy::FixedWindow,
    Strategy::SlidingWindow,
    Strategy::Gcra {
        burst: NonZeroU64::new(1_000_000).unwrap(),
    },
];

fn with_id(mut charge: Charge<'_>, id: ChargeId) -> Charge<'_> {
    charge.id = Some(id);
    charge
}

/// A check that waits for a busy machine.
async fn check(limiter: &Limiter, charge: Charge<'_>, action: Action) -> Decision {
    limiter.check_all(&[charge], action).await.unwrap()
}

async fn used(limiter: &Limiter, charge: Charge<'_>) -> u64 {
    let decision = check(limiter, charge.cost(0), Action::Peek).await;
    let outcome = decision.outcomes()[0];
    outcome.capacity().get() - outcome.remaining()
}

/// `store` has short time-outs, but no memory of what it has refunded.
async fn count_once(limiter: &Limiter, store: Option<&RedisStore>) {
    let limits: [Limits; 2] = [
        limits!("1_000_000/day"),
        limits!("1_000_000/day; 2_000_000/7days"),
    ];
    for (number, limits) in limits.iter().enumerate() {
        for strategy in STRATEGIES {
            let key = (number as u64, format!("{strategy:?}")).into_key();
            let charge = Charge::new(SCOPE, &key, limits).strategy(strategy);
            let with_id = |cost, id| with_id(charge.cost(cost), id);
            let id = ChargeId::random();
            for _ in 0..3 {
                let forced = check(limiter, with_id(500, id), Action::Force).await;
                assert_eq!(forced.receipts().len(), 1);
                let outcome = forced.outcomes()[0];
                assert_eq!(outcome.capacity().get() - outcome.remaining(), 500);
            }
            assert_eq!(used(limiter, charge).await, 500, "{strategy:?}");
            let id = ChargeId::random();
            let other = with_id(500, id);
            let other = check(limiter, other, Action::Force).await;
            let receipt = other.receipts()[0].clone();
            assert_eq!(used(limiter, charge).await, 1_000, "{strategy:?}");
            let Some(store) = store else {
                continue;
            };
            // The id of the charge, which is not that of its refund.
            for _ in 0..2 {
                let refund = [with_id(400, id)];
                let receipts = std::slice::from_ref(&receipt);
                while let Err(error) = store.refund(&refund, receipts).await {
                    assert!(error.to_string().contains("timed out"), "{error}");
                }
            }
            let left = used(limiter, charge).await;
            assert_eq!(left, 600, "{strategy:?}");
            // Without an id, each counts.
            for _ in 0..2 {
                check(limiter, charge.cost(10), Action::Force).await;
            }
            assert_eq!(used(limiter, charge).await, 620, "{strategy:?}");
        }
    }
}

#[tokio::test]
async fn charges_and_refunds_with_an_id_count_once() {
    let server = Server::redis();
    let store = RedisStore::new(&server.url()).unwrap();
    count_once(&patient(&server.url()).await, Some(&store)).await;
    // The ids are forgotten in time.
    let keys = ask(server.port(), "INFO keyspace").unwrap();
    let number = |name: &str| {
        let rest = keys.split_once(name).unwrap().1;
        rest.split(',').next().unwrap().to_owned()
    };
    assert_eq!(number("keys="), number("expires="));
}

#[tokio::test]
async fn charges_with_an_id_count_once_in_a_cluster() {
    let cluster = Cluster::start(false);
    count_once(&patient(&cluster.url()).await, None).await;
}

/// One id for all charges of a request: each of them is counted, once.
#[tokio::test]
async fn charges_of_one_request_can_share_an_id() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let (key, limits) = ("alice".into_key(), limits!("1_000/minute"));
    let id = ChargeId::random();
    let charges = [Strategy::MovingWindow, Strategy::FixedWindow]
        .map(|strategy| Charge::new(SCOPE, &key, &limits).cost(5).strategy(strategy));
    let with_ids = charges.map(|charge| with_id(charge, id));
    for _ in 0..2 {
        limiter.check_all(&with_ids, Action::Force).await.unwrap();
        for charge in charges {
            assert_eq!(used(&limiter, charge).await, 5);
        }
    }
}
