//! What requests see while a store is in trouble.

use limit_runtime::{
    Decision, IntoKey, Limiter, Outcome, Receipt, Strategy, Verdict,
    clock::TestClock,
    limits,
    store::{
        Action, Charge, ConnectError, Fallback, Scope, Store, StoreError, StoreFuture, StoreHealth,
    },
};
use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use workspace_tests::{
    growth, refunds,
    servers::{Server, free_port, patient},
};

/// No request waits longer, plus what a busy machine takes to wake a task.
const AT_MOST: Duration = Duration::from_millis(150);

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_down(limiter: &Limiter) -> bool {
    matches!(limiter.health().store, StoreHealth::Down { .. })
}

/// Asks for strangers, each once, until the store is given up.
async fn trip(limiter: &Limiter) {
    for stranger in 0..20_u32 {
        let decision = limiter.check(&limits!("5/minute"), stranger).await.unwrap();
        assert!(decision.is_allowed());
    }
    assert!(is_down(limiter));
}

async fn allowed(limiter: &Limiter, hits: u32) -> u32 {
    let limits = limits!("5/minute");
    let mut allowed = 0;
    for _ in 0..hits {
        let start = Instant::now();
        let decision = limiter.check(&limits, "alice").await.unwrap();
        allowed += u32::from(decision.is_allowed());
        assert!(start.elapsed() < AT_MOST, "{:?}", start.elapsed());
    }
    allowed
}

#[tokio::test]
async fn an_outage_hands_out_no_second_budget() {
    // Row 29.
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 3).await, 3);
    server.kill();
    assert_eq!(allowed(&limiter, 10).await, 2);
    trip(&limiter).await;
    server.restart();
    until("the store is used again", || !is_down(&limiter)).await;
    // The server has forgotten everything, and this process has not.
    assert_eq!(allowed(&limiter, 10).await, 0);
}

#[tokio::test]
async fn a_restart_that_nobody_saw_hands_out_no_second_budget() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 3).await, 3);
    server.kill();
    server.restart();
    assert_eq!(allowed(&limiter, 10).await, 2);
}

#[tokio::test]
async fn a_program_starts_without_its_store() {
    let port = free_port();
    let limiter = Limiter::connect(&format!("redis://127.0.0.1:{port}"))
        .await
        .unwrap();
    assert_eq!(allowed(&limiter, 7).await, 5);
    let _server = Server::redis_on(port, &[]);
    until("the store is used", || !is_down(&limiter)).await;
    assert_eq!(allowed(&limiter, 2).await, 0);
}

#[tokio::test]
async fn a_server_that_stands_still_costs_a_deadline_and_then_nothing() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 1).await, 1);
    server.freeze();
    assert_eq!(allowed(&limiter, 5).await, 4);
    trip(&limiter).await;
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(allowed(&limiter, 1).await, 0);
    }
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    server.thaw();
    until("the store is used again", || !is_down(&limiter)).await;
}

#[tokio::test]
async fn the_policy_is_the_limiters_or_the_handlers() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let builder = Limiter::builder().on_store_error(Fallback::Allow);
    let limiter = builder.connect(&url).await.unwrap();
    assert_eq!(allowed(&limiter, 20).await, 20);
    let limits = limits!("5/minute");
    let check = limiter.check(&limits, "bob").on_store_error(Fallback::Deny);
    assert!(check.await.is_err());
}

#[tokio::test]
async fn a_killed_connection_costs_no_request() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let limits = limits!("1000/minute");
    for _ in 0..20 {
        limiter.check(&limits, "alice").await.unwrap();
        let said =
            workspace_tests::servers::ask(server.port(), "CLIENT KILL TYPE normal SKIPME yes");
        assert!(said.unwrap().starts_with(':'));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(limiter.health().failed, 0);
}

#[tokio::test]
async fn a_flushed_script_costs_no_request() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    for left in (0..5).rev() {
        let decision = limiter.check(&limits!("5/minute"), "alice").await.unwrap();
        assert_eq!(decision.outcomes()[0].remaining(), left);
        workspace_tests::servers::ask(server.port(), "SCRIPT FLUSH").unwrap();
    }
    assert_eq!(limiter.health().failed, 0);
}

#[tokio::test]
async fn a_full_server_is_an_outage_and_is_used_again() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 2).await, 2);
    let set = |size: &str| {
        workspace_tests::servers::ask(server.port(), &format!("CONFIG SET maxmemory {size}"))
    };
    set("1").unwrap();
    assert_eq!(allowed(&limiter, 9).await, 3);
    trip(&limiter).await;
    set("0").unwrap();
    until("the store is used again", || !is_down(&limiter)).await;
}

#[tokio::test]
async fn a_replica_is_an_outage_until_it_is_master_again() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 2).await, 2);
    let ask = |command: &str| workspace_tests::servers::ask(server.port(), command).unwrap();
    ask(&format!("REPLICAOF 127.0.0.1 {}", free_port()));
    assert_eq!(allowed(&limiter, 9).await, 3);
    trip(&limiter).await;
    ask("REPLICAOF NO ONE");
    until("the store is used again", || !is_down(&limiter)).await;
}

#[tokio::test]
async fn a_refund_reaches_the_shadow_too() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let (limits, key) = (limits!("5/minute"), "alice".into_key());
    let charge = Charge::new(Scope::shared(""), &key, &limits).cost(4);
    let decision = limiter.decide(&[charge], Action::Consume).await.unwrap();
    limiter
        .refund(&[charge.cost(3)], decision.receipts())
        .await
        .unwrap();
    server.kill();
    assert_eq!(allowed(&limiter, 9).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_the_local_fallback_gives_back_once() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let clock = TestClock::new();
    let limiter = Limiter::builder().clock(clock).connect(&url).await.unwrap();
    trip(&limiter).await;
    refunds::a_receipt_gives_back_once(&limiter).await;
}

#[tokio::test]
async fn what_remains_in_the_local_fallback_grows_on_the_tick() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let clock = TestClock::new();
    let limiter = Limiter::builder().clock(clock.clone());
    let limiter = limiter.connect(&url).await.unwrap();
    trip(&limiter).await;
    growth::remaining_grows_on_the_tick(&limiter, &clock, 200).await;
}

#[tokio::test]
async fn a_receipt_that_the_store_knew_gives_back_once_to_the_local_counts() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let (limits, key) = (limits!("5/minute"), "alice".into_key());
    let charges = [Charge::new(Scope::shared(""), &key, &limits).cost(2)];
    let first = limiter.decide(&charges, Action::Consume).await.unwrap();
    limiter.decide(&charges, Action::Consume).await.unwrap();
    for _ in 0..2 {
        limiter.refund(&charges, first.receipts()).await.unwrap();
    }
    server.kill();
    assert_eq!(allowed(&limiter, 9).await, 3);
}

/// The numbers of a store's answer, in whole milliseconds, and what remains.
fn numbers(decision: &Decision) -> Vec<(u64, Duration, Duration)> {
    let outcomes = decision.outcomes().iter();
    outcomes
        .map(|outcome| {
            (
                outcome.remaining(),
                outcome.next_after(),
                outcome.reset_after(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_repeated_denial_counts_down_to_when_more_remains() {
    let server = Server::redis();
    let clock = TestClock::new();
    let connect = async || {
        let builder = Limiter::builder().deadline(Duration::from_secs(10));
        let builder = builder.clock(clock.clone());
        builder.connect(&server.url()).await.unwrap()
    };
    let (limiter, other) = (connect().await, connect().await);
    let burst = NonZeroU64::new(2).unwrap();
    for strategy in [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ] {
        let limits = limits!("2/minute");
        let check = || limiter.check(&limits, "alice").strategy(strategy);
        check().await.unwrap();
        clock.advance(Duration::from_secs(7));
        check().await.unwrap();
        let mut repeated = limiter.health().repeated_denials;
        assert!(!check().await.unwrap().is_allowed());
        for _ in 0..9 {
            clock.advance(Duration::from_millis(97));
            let denial = check().await.unwrap();
            // The other one asks the store.
            let asked = other.check(&limits, "alice").strategy(strategy).peek();
            let asked = asked.await.unwrap();
            assert!(!asked.is_allowed(), "{strategy:?}");
            let wait = denial.outcomes()[0].next_after();
            assert_eq!(Some(wait), denial.retry_after());
            // It forgets that denial, so that it asks again.
            other.clear("", "bob").await.unwrap();
            assert_eq!(numbers(&denial), numbers(&asked), "{strategy:?}");
            repeated += 1;
            assert!(limiter.health().repeated_denials >= repeated);
        }
    }
}

#[tokio::test]
async fn a_denial_is_not_repeated_once_this_process_has_consumed_more() {
    let server = Server::redis();
    let clock = TestClock::new();
    let builder = Limiter::builder().deadline(Duration::from_secs(10));
    let builder = builder.clock(clock.clone());
    let limiter = builder.connect(&server.url()).await.unwrap();
    let (limits, other) = (limits!("5/minute"), limits!("50/minute"));
    let check = async |cost| {
        let check = limiter.check(&limits, "alice").cost(cost);
        check.await.unwrap()
    };
    assert!(check(3).await.is_allowed());
    clock.advance(Duration::from_millis(100));
    let soon = Some(MINUTE - Duration::from_millis(100));
    for _ in 0..2 {
        assert_eq!(check(4).await.retry_after(), soon);
    }
    for _ in 0..2 {
        assert!(check(1).await.is_allowed());
    }
    // The three units leave, and the other two have to leave as well.
    let denial = check(4).await;
    assert_eq!(denial.outcomes()[0].remaining(), 0);
    assert_eq!(denial.retry_after(), Some(MINUTE));
    // Also if it was the budget of another charge in the same check.
    let (alice, bob) = ("alice".into_key(), "bob".into_key());
    let charges = [
        Charge::new(Scope::shared(""), &alice, &limits),
        Charge::new(Scope::shared(""), &bob, &other),
    ];
    let decide = async || limiter.decide(&charges, Action::Consume).await.unwrap();
    for _ in 0..2 {
        assert_eq!(decide().await.outcomes()[1].remaining(), 50);
    }
    limiter.check(&other, "bob").await.unwrap();
    assert_eq!(decide().await.outcomes()[1].remaining(), 49);
}

#[tokio::test]
async fn what_is_wrong_is_said_when_connecting() {
    let server = Server::redis_with(&["--requirepass", "right"]);
    let port = server.port();
    for url in [
        format!("redis://:wrong@127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port}"),
    ] {
        let error = Limiter::connect(&url).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
        assert!(!error.to_string().contains("wrong@"), "{error}");
    }
    assert!(
        Limiter::connect(&format!("redis://:right@127.0.0.1:{port}"))
            .await
            .is_ok()
    );
    let error = Limiter::connect("rdeis://h").await.unwrap_err();
    assert!(
        error.to_string().contains("unknown scheme `rdeis`"),
        "{error}"
    );
}

/// A store of the user's own that fails as told.
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

    fn clear<'a>(&'a self, _: Scope<'a>, _: &'a limit_runtime::Key) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(StoreError::new("no")) })
    }

    fn reset(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Err(StoreError::new("no")) })
    }
}

/// A store that admits everything, counts how many units are given back, and fails refunds if told to.
#[derive(Debug, Default)]
struct Refunding {
    given_back: Arc<AtomicU64>,
    fails: Arc<AtomicU64>,
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

    fn clear<'a>(&'a self, _: Scope<'a>, _: &'a limit_runtime::Key) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn reset(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_store_of_the_users_own_is_asked_for_each_unit_once() {
    let store = Refunding::default();
    let (given_back, fails) = (store.given_back.clone(), store.fails.clone());
    let limiter = Limiter::builder().store(store).build();
    let (limits, key) = (limits!("9/minute"), "alice".into_key());
    let charges = [Charge::new(Scope::shared(""), &key, &limits).cost(5)];
    let decision = limiter.decide(&charges, Action::Consume).await.unwrap();
    for expected in [4, 5, 5] {
        let part = [charges[0].cost(4)];
        limiter.refund(&part, decision.receipts()).await.unwrap();
        assert_eq!(given_back.load(Ordering::SeqCst), expected);
    }
    // It may have counted a refund that it did not answer, so that this is not repeated.
    let decision = limiter.decide(&charges, Action::Consume).await.unwrap();
    fails.store(1, Ordering::SeqCst);
    assert!(limiter.refund(&charges, decision.receipts()).await.is_err());
    fails.store(0, Ordering::SeqCst);
    limiter.refund(&charges, decision.receipts()).await.unwrap();
    assert_eq!(given_back.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_receipt_stays_good_while_the_store_is_not_asked() {
    let store = Refunding::default();
    let (given_back, fails) = (store.given_back.clone(), store.fails.clone());
    let limiter = Limiter::builder().store(store).build();
    let (limits, key) = (limits!("9/minute"), "alice".into_key());
    let charges = [Charge::new(Scope::shared(""), &key, &limits).cost(5)];
    let decision = limiter.decide(&charges, Action::Consume).await.unwrap();
    fails.store(1, Ordering::SeqCst);
    while !is_down(&limiter) {
        let other = limiter.decide(&charges, Action::Consume).await.unwrap();
        assert!(limiter.refund(&charges, other.receipts()).await.is_err());
    }
    fails.store(0, Ordering::SeqCst);
    let before = given_back.load(Ordering::SeqCst);
    assert!(limiter.refund(&charges, decision.receipts()).await.is_err());
    assert_eq!(given_back.load(Ordering::SeqCst), before);
    until("the store is used again", || !is_down(&limiter)).await;
    limiter.refund(&charges, decision.receipts()).await.unwrap();
    assert_eq!(given_back.load(Ordering::SeqCst), before + 5);
}

#[tokio::test]
async fn a_store_that_does_not_say_when_more_remains_has_an_upper_bound() {
    let limiter = Limiter::builder().store(Refunding::default()).build();
    let decision = limiter.check(&limits!("9/minute"), "alice").await.unwrap();
    assert_eq!(decision.outcomes()[0].next_after(), MINUTE);
}

#[tokio::test]
async fn a_store_of_the_users_own_is_guarded_too() {
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
