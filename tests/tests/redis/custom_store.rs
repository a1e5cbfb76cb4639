//! A store of the application's own, which is guarded as Redis is.

use super::outages::allowed;
use limit_runtime::{
    Decision, IntoKey, Limiter, Outcome, Receipt, Verdict, limits,
    store::{Action, Charge, Scope, Store, StoreError, StoreFuture},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use test_support::{
    remote::{is_down, trip, until},
    resets,
    servers::{Server, patient},
};

/// A store that never answers a check and fails everything else.
#[derive(Debug, Default)]
struct Flaky {
    calls: Arc<AtomicU64>,
}

impl Store for Flaky {
    fn check<'a>(&'a self, _: &'a [Charge<'a>], _: Action) -> StoreFuture<'a, Decision> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }

    fn refund<'a>(&'a self, _: &'a [Charge<'a>], _: &'a [Receipt]) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(StoreError::new("no")) })
    }

    fn reset_key<'a>(&'a self, _: Scope<'a>, _: &'a limit_runtime::Key) -> StoreFuture<'a, u64> {
        Box::pin(async { Err(StoreError::new("no")) })
    }

    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Err(StoreError::new("no")) })
    }
}

/// A store that admits everything, counts refunded units, and fails refunds if `fails` is set.
#[derive(Clone, Debug, Default)]
struct Refunding {
    given_back: Arc<AtomicU64>,
    fails: Arc<AtomicU64>,
}

impl Refunding {
    fn limiter() -> (Limiter, Self) {
        let store = Self::default();
        (Limiter::builder().store(store.clone()).build(), store)
    }
}

impl Store for Refunding {
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], _: Action) -> StoreFuture<'a, Decision> {
        let outcome = Outcome::new(limits!("9/minute").first(), 4, MINUTE, Verdict::Allowed);
        let decision = Decision::new(charges.iter().map(|_| outcome));
        let receipts = charges.iter().map(|_| Receipt::new(7));
        let decision = decision.with_receipts(receipts);
        Box::pin(async { Ok(decision) })
    }

    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()> {
        assert!(receipts.iter().all(|receipt| receipt.at() == 7));
        let units = charges.iter().map(|charge| charge.cost).sum();
        self.given_back.fetch_add(units, Ordering::SeqCst);
        let fails = self.fails.load(Ordering::SeqCst) > 0;
        Box::pin(async move {
            if fails {
                Err(StoreError::new("no answer"))
            } else {
                Ok(())
            }
        })
    }

    fn reset_key<'a>(&'a self, _: Scope<'a>, _: &'a limit_runtime::Key) -> StoreFuture<'a, u64> {
        Box::pin(async { Ok(0) })
    }

    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_custom_store_refunds_each_unit_once() {
    let (limiter, Refunding { given_back, fails }) = Refunding::limiter();
    let (limits, key) = (limits!("9/minute"), "alice".into_key());
    let charges = [Charge::new(Scope::shared(""), &key, &limits).cost(5)];
    let decision = limiter.check_all(&charges, Action::Consume).await.unwrap();
    for expected in [4, 5, 5] {
        let part = [charges[0].cost(4)];
        limiter.refund(&part, decision.receipts()).await.unwrap();
        assert_eq!(given_back.load(Ordering::SeqCst), expected);
    }
    // It may have counted a refund that it did not answer, so that this is not repeated.
    let decision = limiter.check_all(&charges, Action::Consume).await.unwrap();
    fails.store(1, Ordering::SeqCst);
    assert!(limiter.refund(&charges, decision.receipts()).await.is_err());
    fails.store(0, Ordering::SeqCst);
    limiter.refund(&charges, decision.receipts()).await.unwrap();
    assert_eq!(given_back.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_refund_that_is_made_while_the_circuit_breaker_is_open_is_sent_later() {
    let (limiter, Refunding { given_back, fails }) = Refunding::limiter();
    let (limits, key) = (limits!("9/minute"), "alice".into_key());
    let charges = [Charge::new(Scope::shared(""), &key, &limits).cost(5)];
    let decision = limiter.check_all(&charges, Action::Consume).await.unwrap();
    fails.store(1, Ordering::SeqCst);
    while !is_down(&limiter) {
        let other = limiter.check_all(&charges, Action::Consume).await.unwrap();
        assert!(limiter.refund(&charges, other.receipts()).await.is_err());
    }
    fails.store(0, Ordering::SeqCst);
    let before = given_back.load(Ordering::SeqCst);
    for _ in 0..2 {
        limiter.refund(&charges, decision.receipts()).await.unwrap();
    }
    assert_eq!(limiter.health().late_charges, 1);
    until("the refund is sent", || limiter.health().late_charges == 0).await;
    assert_eq!(given_back.load(Ordering::SeqCst), before + 5);
}

#[tokio::test]
async fn without_a_next_after_of_the_store_the_reset_is_the_bound() {
    let (limiter, _) = Refunding::limiter();
    let decision = limiter.check(&limits!("9/minute"), "alice").await.unwrap();
    assert_eq!(decision.outcomes()[0].next_after(), MINUTE);
}

#[tokio::test]
async fn a_custom_store_has_a_deadline_and_a_circuit_breaker_too() {
    let store = Flaky::default();
    let calls = store.calls.clone();
    let limiter = Limiter::builder().store(store).build();
    trip(&limiter).await;
    assert_eq!(allowed(&limiter, 5).await, 5);
    let before = calls.load(Ordering::SeqCst);
    let start = Instant::now();
    assert_eq!(allowed(&limiter, 1000).await, 0);
    assert!(
        start.elapsed() < Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    assert!(
        calls.load(Ordering::SeqCst) - before < 10,
        "a user's request asked"
    );
    assert_eq!(limiter.health().outages, 1);
}

#[tokio::test]
async fn a_reset_returns_how_many_budgets_it_clears() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    resets::a_reset_returns_how_many_budgets_it_clears(&limiter).await;
    // This store counts nothing, so the budget is in the local counts alone.
    let limiter = Limiter::builder().store(Refunding::default()).build();
    limiter.check(&limits!("9/minute"), "alice").await.unwrap();
    assert_eq!(limiter.reset_key("", "alice").await.unwrap(), 1);
    assert_eq!(limiter.reset_key("", "alice").await.unwrap(), 0);
}
