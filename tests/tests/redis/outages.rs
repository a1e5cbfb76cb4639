//! What requests see while Redis fails, is frozen, full or a replica.

use limit_runtime::{
    IntoKey, Limiter,
    clock::TestClock,
    limits,
    store::{Action, Charge, ConnectError, Scope},
};
use std::time::Duration;
use test_support::{
    next_after, refunds,
    remote::{self, is_down, outages, trip, until},
    servers::{Server, ask, free_port, patient},
};

/// No request waits longer, plus what a busy machine takes to wake a task.
const AT_MOST: Duration = Duration::from_millis(150);

/// The number of admitted requests of one key.
pub(super) async fn allowed(limiter: &Limiter, hits: u32) -> u32 {
    remote::allowed(limiter, hits, AT_MOST).await
}

#[tokio::test]
async fn an_outage_grants_no_second_budget() {
    outages::an_outage_grants_no_second_budget::<Server>(AT_MOST).await;
}

#[tokio::test]
async fn a_restart_between_two_requests_grants_no_second_budget() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 3).await, 3);
    server.kill();
    server.restart();
    assert_eq!(allowed(&limiter, 10).await, 2);
}

#[tokio::test]
async fn a_restart_grants_no_second_budget_under_deny_either() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let limits = limits!("2/minute");
    let check = async || limiter.check(&limits, "alice").await;
    for _ in 0..2 {
        assert!(check().await.unwrap().is_allowed());
    }
    server.kill();
    server.restart();
    // The lost connection may fail a first call.
    while check().await.is_err() {}
    assert!(!check().await.unwrap().is_allowed());
}

#[tokio::test]
async fn an_application_starts_without_its_store() {
    outages::an_application_starts_without_its_store::<Server>(AT_MOST).await;
}

#[tokio::test]
async fn a_frozen_server_delays_requests_by_one_deadline_and_then_not_at_all() {
    let without_store = Duration::from_millis(100);
    outages::a_frozen_server_delays_requests_by_one_deadline_and_then_not_at_all::<Server>(
        AT_MOST,
        without_store,
    )
    .await;
}

#[tokio::test]
async fn the_fallback_of_a_check_takes_precedence_over_that_of_the_limiter() {
    outages::the_fallback_of_a_check_takes_precedence_over_that_of_the_limiter::<Server>(AT_MOST)
        .await;
}

#[tokio::test]
async fn a_killed_connection_fails_no_request() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let limits = limits!("1000/minute");
    for _ in 0..20 {
        limiter.check(&limits, "alice").await.unwrap();
        let said = ask(server.port(), "CLIENT KILL TYPE normal SKIPME yes");
        assert!(said.unwrap().starts_with(':'));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(limiter.health().failed, 0);
}

#[tokio::test]
async fn a_flushed_script_fails_no_request() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    for left in (0..5).rev() {
        let decision = limiter.check(&limits!("5/minute"), "alice").await.unwrap();
        assert_eq!(decision.outcomes()[0].remaining(), left);
        ask(server.port(), "SCRIPT FLUSH").unwrap();
    }
    assert_eq!(limiter.health().failed, 0);
}

#[tokio::test]
async fn a_full_server_is_an_outage_and_is_used_again() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    assert_eq!(allowed(&limiter, 2).await, 2);
    let set = |size: &str| ask(server.port(), &format!("CONFIG SET maxmemory {size}"));
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
    let ask = |command: &str| ask(server.port(), command).unwrap();
    ask(&format!("REPLICAOF 127.0.0.1 {}", free_port()));
    assert_eq!(allowed(&limiter, 9).await, 3);
    trip(&limiter).await;
    ask("REPLICAOF NO ONE");
    until("the store is used again", || !is_down(&limiter)).await;
}

#[tokio::test]
async fn a_refund_reaches_the_local_counts_too() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let (limits, key) = (limits!("5/minute"), "alice".into_key());
    let charge = Charge::new(Scope::shared(""), &key, &limits).cost(4);
    let decision = limiter.check_all(&[charge], Action::Consume).await.unwrap();
    limiter
        .refund(&[charge.cost(3)], decision.receipts())
        .await
        .unwrap();
    server.kill();
    assert_eq!(allowed(&limiter, 9).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_the_local_fallback_refunds_once() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let clock = TestClock::new();
    let limiter = Limiter::builder().clock(clock).remote(&url);
    let limiter = limiter.connect().await.unwrap();
    trip(&limiter).await;
    refunds::a_receipt_refunds_once(&limiter).await;
}

#[tokio::test]
async fn more_remains_in_the_local_fallback_exactly_after_next_after() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let clock = TestClock::new();
    let limiter = Limiter::builder().clock(clock.clone());
    let limiter = limiter.remote(&url).connect().await.unwrap();
    trip(&limiter).await;
    next_after::more_remains_exactly_after_next_after(&limiter, &clock, 200).await;
}

#[tokio::test]
async fn a_receipt_of_the_store_refunds_once_to_the_local_counts() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let (limits, key) = (limits!("5/minute"), "alice".into_key());
    let charges = [Charge::new(Scope::shared(""), &key, &limits).cost(2)];
    let first = limiter.check_all(&charges, Action::Consume).await.unwrap();
    limiter.check_all(&charges, Action::Consume).await.unwrap();
    for _ in 0..2 {
        limiter.refund(&charges, first.receipts()).await.unwrap();
    }
    server.kill();
    assert_eq!(allowed(&limiter, 9).await, 3);
}

#[tokio::test]
async fn connect_reports_a_wrong_password_and_a_wrong_scheme() {
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
