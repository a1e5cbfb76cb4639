//! Charges that reach the server late: after an outage, or after their request has ended.

use limit_runtime::{
    IntoKey, Key, Limiter,
    clock::TestClock,
    limits,
    store::{Action, Charge, ChargeId, Fallback, Scope},
};
use std::time::Duration;
use test_support::{
    log::Log,
    remote::{
        is_down,
        late_charges::{self, all_is_sent, charge, check, refund, remaining},
        trip, until,
    },
    servers::{Server, ask, patient},
};

async fn consume(limiter: &Limiter, key: &Key, cost: u64) -> bool {
    check(limiter, key, cost, Action::Consume)
        .await
        .is_allowed()
}

/// Waits until the server answers this process.
async fn is_connected(limiter: &Limiter) {
    let before = limiter.health().answered;
    while limiter.health().answered == before {
        check(limiter, &"nobody".into_key(), 1, Action::Peek).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn forced_charges_that_the_server_could_not_take_are_sent_when_it_is_back() {
    late_charges::forced_charges_are_sent_when_the_server_is_back::<Server>().await;
}

#[tokio::test]
async fn forced_charges_are_kept_under_every_fallback() {
    for fallback in [Fallback::Allow, Fallback::Deny] {
        let server = Server::redis();
        let builder = Limiter::builder().remote(&server.url()).fallback(fallback);
        let limiter = builder.connect().await.unwrap();
        let key = "alice".into_key();
        server.kill();
        for _ in 0..8 {
            let _ = limiter.check_all(&charge(&key, 10), Action::Force).await;
        }
        server.restart();
        all_is_sent(&limiter).await;
        assert_eq!(remaining(&server, &key).await, 920, "{fallback:?}");
    }
}

#[tokio::test]
async fn a_refund_that_the_server_could_not_take_is_sent_when_it_is_back() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    let first = check(&limiter, &key, 1000, Action::Consume).await;
    server.freeze();
    // Sent, without an answer.
    refund(&limiter, &key, 300, &first).await;
    trip(&limiter).await;
    // Not sent.
    refund(&limiter, &key, 100, &first).await;
    assert_eq!(limiter.health().late_charges, 2);
    server.thaw();
    all_is_sent(&limiter).await;
    assert_eq!(remaining(&server, &key).await, 400);
}

#[tokio::test]
async fn a_request_that_ends_while_its_check_waits_leaves_no_charge() {
    late_charges::a_request_that_ends_while_its_check_waits_leaves_no_charge::<Server>().await;
}

#[tokio::test]
async fn a_refund_that_is_made_while_the_breaker_is_open_is_sent_later() {
    late_charges::a_refund_that_is_made_while_the_breaker_is_open_is_sent_later::<Server>().await;
}

#[tokio::test]
async fn a_request_that_is_refused_after_the_deadline_leaves_no_charge() {
    let server = Server::redis();
    let builder = Limiter::builder().remote(&server.url());
    let limiter = builder.fallback(Fallback::Deny).connect().await.unwrap();
    let key = "alice".into_key();
    server.freeze();
    for _ in 0..3 {
        let charges = charge(&key, 1);
        let check = limiter.check_all(&charges, Action::Consume);
        assert!(check.await.is_err());
    }
    server.thaw();
    let other = patient(&server.url()).await;
    until("the charges are given back", || {
        let count = ask(server.port(), "INFO commandstats");
        count.is_some_and(|stats| stats.contains("cmdstat_lpop") || stats.contains("cmdstat_rpush"))
    })
    .await;
    let mut seen = 0;
    for _ in 0..400 {
        let decision = other.check_all(&charge(&key, 1), Action::Peek).await;
        seen = decision.unwrap().outcomes()[0].remaining();
        if seen == 1000 && limiter.health().late_charges == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seen, 1000);
}

#[tokio::test]
async fn a_reset_on_another_machine_is_respected_after_a_reconnect() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let other = patient(&server.url()).await;
    let key = "alice".into_key();
    assert!(consume(&limiter, &key, 1000).await);
    // The connection is lost, and the server is not.
    ask(server.port(), "CLIENT KILL TYPE normal SKIPME yes").unwrap();
    is_connected(&limiter).await;
    assert!(!consume(&limiter, &key, 1).await);
    // This process has checked the rule, so the reset finds the budget.
    check(&other, &key, 1, Action::Peek).await;
    assert_eq!(other.reset_key("tokens", "alice").await.unwrap(), 1);
    let mut is_allowed = false;
    for _ in 0..300 {
        is_allowed = consume(&limiter, &key, 1).await;
        if is_allowed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(is_allowed, "{:?}", limiter.health());
    assert_eq!(limiter.health().local_refusals, 0);
}

#[tokio::test]
async fn without_the_run_id_each_new_connection_counts_as_a_restart_and_the_log_says_so_once() {
    let (log, _guard) = Log::capture_thread();
    let server = Server::redis();
    let port = server.port();
    ask(port, "ACL SETUSER limiter on >pass ~* +@all -info").unwrap();
    let url = format!("redis://limiter:pass@127.0.0.1:{port}");
    let limiter = Limiter::connect(&url).await.unwrap();
    let other = patient(&server.url()).await;
    let key = "alice".into_key();
    assert!(consume(&limiter, &key, 600).await);
    for _ in 0..2 {
        ask(port, "CLIENT KILL USER limiter").unwrap();
        is_connected(&limiter).await;
    }
    assert_eq!(other.reset_key("tokens", "alice").await.unwrap(), 1);
    assert!(!consume(&limiter, &key, 600).await);
    assert_eq!(limiter.health().local_refusals, 1);
    let lines = log.lines();
    let about_it = lines.iter().filter(|line| line.contains("`run_id`"));
    assert_eq!(about_it.count(), 1, "{lines:?}");
}

#[tokio::test]
async fn local_refusals_end_for_a_key_once_the_server_knows_its_count() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let (alice, bob) = ("alice".into_key(), "bob".into_key());
    for key in [&alice, &bob] {
        consume(&limiter, key, 600).await;
    }
    server.kill();
    server.restart();
    is_connected(&limiter).await;
    // The server has forgotten all of it, and this process has not.
    let refused = limiter
        .check_all(&charge(&alice, 600), Action::Consume)
        .await;
    assert!(!refused.unwrap().is_allowed());
    assert_eq!(limiter.health().local_refusals, 1);
    // Another process fills both budgets there.
    let other = patient(&server.url()).await;
    for key in [&alice, &bob] {
        consume(&other, key, 700).await;
    }
    // This charge fits in both, and the answer shows that the server knows more than this process.
    assert!(consume(&limiter, &bob, 1).await);
    other.reset_key("tokens", "bob").await.unwrap();
    assert!(consume(&limiter, &bob, 900).await);
    // Alice is refused by the local counts until the server is asked what it knows of her.
    let mut is_known = false;
    for _ in 0..300 {
        let before = limiter.health().local_refusals;
        let denied = limiter
            .check_all(&charge(&alice, 500), Action::Consume)
            .await;
        assert!(!denied.unwrap().is_allowed());
        is_known = limiter.health().local_refusals == before;
        if is_known {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(is_known, "the server decides again");
    assert!(!is_down(&limiter));
}

#[tokio::test]
async fn charges_of_one_budget_are_added_up_for_as_long_as_the_server_is_away() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    server.kill();
    trip(&limiter).await;
    for _ in 0..8 {
        check(&limiter, &key, 5, Action::Force).await;
        // Longer than the pause between two attempts to send them.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(limiter.health().late_charges, 1);
    server.restart();
    all_is_sent(&limiter).await;
    assert_eq!(remaining(&server, &key).await, 960);
}

#[tokio::test]
async fn a_refund_of_a_forced_charge_that_waits_reduces_it() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    server.freeze();
    trip(&limiter).await;
    let forced = check(&limiter, &key, 500, Action::Force).await;
    for _ in 0..2 {
        // The second one finds nothing left to refund.
        refund(&limiter, &key, 400, &forced).await;
        refund(&limiter, &key, 100, &forced).await;
    }
    check(&limiter, &key, 70, Action::Force).await;
    server.thaw();
    all_is_sent(&limiter).await;
    assert_eq!(remaining(&server, &key).await, 930);
}

#[tokio::test]
async fn a_forced_charge_with_an_id_of_the_caller_counts_once_when_the_caller_sends_it_again() {
    let server = Server::redis();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    server.freeze();
    trip(&limiter).await;
    let mut charges = charge(&key, 100);
    charges[0].id = Some(ChargeId::random());
    for _ in 0..2 {
        limiter.check_all(&charges, Action::Force).await.unwrap();
    }
    server.thaw();
    until("the server is used", || !is_down(&limiter)).await;
    limiter.check_all(&charges, Action::Force).await.unwrap();
    all_is_sent(&limiter).await;
    assert_eq!(remaining(&server, &key).await, 900);
}

#[tokio::test]
async fn what_was_admitted_during_an_outage_counts_until_its_window_has_ended() {
    let server = Server::redis();
    let clock = TestClock::new();
    let limiter_on = async |clock: &TestClock| {
        let builder = Limiter::builder().clock(clock.clone());
        builder.remote(&server.url()).connect().await.unwrap()
    };
    let (limiter, other) = (limiter_on(&clock).await, limiter_on(&clock).await);
    let (limits, key) = (limits!("100/minute"), "alice".into_key());
    let of = |cost| [Charge::new(Scope::shared("jobs"), &key, &limits).cost(cost)];
    let consume = async |limiter: &Limiter, cost| {
        let decision = limiter.check_all(&of(cost), Action::Consume).await;
        decision.unwrap().is_allowed()
    };
    assert!(consume(&other, 60).await);
    clock.advance(Duration::from_secs(50));
    server.freeze();
    trip(&limiter).await;
    assert!(consume(&limiter, 50).await);
    server.thaw();
    until("the server is used", || !is_down(&limiter)).await;
    // The server has less left than this process, because of older hits.
    consume(&limiter, 1).await;
    clock.advance(Duration::from_secs(11));
    assert!(
        !consume(&limiter, 60).await,
        "with the 50, that is more than 100 a minute"
    );
    clock.advance(Duration::from_secs(50));
    assert!(consume(&limiter, 60).await);
}
