//! What requests see while a store is in trouble.

use limit_runtime::{
    Decision, IntoKey, Limiter, Receipt, limits,
    store::{
        Action, Charge, ConnectError, Fallback, Scope, Store, StoreError, StoreFuture, StoreHealth,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use workspace_tests::servers::{Server, free_port, patient};

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
    calls: Arc<AtomicU32>,
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
