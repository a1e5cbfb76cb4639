//! Charges that reach the server late, and those that are sent more than once.

use super::common::{charge, check, trip, until};
use limit_runtime::{
    IntoKey, Key, Limiter,
    store::{Action, Charge, ChargeId, Store, memcached::MemcachedStore},
};
use std::time::Duration;
use test_support::{memcached_server::Memcached, servers::patient};

/// What another process sees.
async fn remaining(server: &Memcached, key: &Key) -> u64 {
    let limiter = patient(&server.url()).await;
    let decision = limiter.check_all(&charge(key, 1), Action::Peek).await;
    decision.unwrap().outcomes()[0].remaining()
}

fn with_id(mut charge: Charge<'_>, id: ChargeId) -> Charge<'_> {
    charge.id = Some(id);
    charge
}

async fn all_is_sent(limiter: &Limiter) {
    until("the late charges are sent", || {
        limiter.health().late_charges == 0
    })
    .await;
}

#[tokio::test]
async fn a_forced_charge_and_a_refund_with_one_id_count_once_each() {
    let server = Memcached::start();
    let store = MemcachedStore::new(&server.url()).unwrap();
    let key = "alice".into_key();
    let [charge] = charge(&key, 100);
    let forced = |id| {
        let charge = [with_id(charge, id)];
        let store = &store;
        async move { store.check(&charge, Action::Force).await.unwrap() }
    };
    let id = ChargeId::random();
    for _ in 0..3 {
        let decision = forced(id).await;
        assert_eq!(decision.outcomes()[0].remaining(), 900);
        assert_eq!(decision.receipts().len(), 1);
    }
    let decision = forced(ChargeId::random()).await;
    assert_eq!(decision.outcomes()[0].remaining(), 800);
    for _ in 0..3 {
        let refund = [with_id(charge.cost(30), id)];
        store.refund(&refund, decision.receipts()).await.unwrap();
    }
    assert_eq!(remaining(&server, &key).await, 830);
    // Also by another process, and after the budget has been cleared.
    let other = MemcachedStore::new(&server.url()).unwrap();
    assert_eq!(other.reset_key(charge.scope, &key).await.unwrap(), 1);
    let again = [with_id(charge, id)];
    other.check(&again, Action::Force).await.unwrap();
    assert_eq!(remaining(&server, &key).await, 1000);
}

#[tokio::test]
async fn forced_charges_that_the_server_could_not_take_are_sent_when_it_is_back() {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    check(&limiter, &key, 100, Action::Consume).await;
    server.kill();
    // The first ones find the store down, the others are not even sent.
    for _ in 0..20 {
        check(&limiter, &key, 25, Action::Force).await;
    }
    assert!(limiter.health().late_charges > 0);
    server.restart();
    all_is_sent(&limiter).await;
    // The server has lost the 100.
    assert_eq!(remaining(&server, &key).await, 500);
    assert_eq!(limiter.health().late_charges_dropped, 0);
}

#[tokio::test]
async fn charges_that_got_no_answer_are_counted_once() {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    let first = check(&limiter, &key, 300, Action::Consume).await;
    for _ in 0..3 {
        server.freeze();
        // They are written to the socket, and the server reads them when it is continued.
        check(&limiter, &key, 10, Action::Force).await;
        let charges = charge(&key, 20);
        limiter.refund(&charges, first.receipts()).await.unwrap();
        server.thaw();
        all_is_sent(&limiter).await;
    }
    until("the late answers have come", || {
        limiter.health().late_charges == 0
    })
    .await;
    assert_eq!(remaining(&server, &key).await, 730);
}

#[tokio::test]
async fn a_request_that_ends_while_its_check_waits_leaves_no_charge() {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    check(&limiter, &key, 1, Action::Consume).await;
    server.freeze();
    for _ in 0..15 {
        let charges = charge(&key, 1);
        let check = limiter.check_all(&charges, Action::Consume);
        let ended = tokio::time::timeout(Duration::from_millis(1), check).await;
        assert!(ended.is_err(), "it waits for the server");
    }
    server.thaw();
    let mut seen = 0;
    for _ in 0..400 {
        seen = remaining(&server, &key).await;
        if seen == 999 && limiter.health().late_charges == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seen, 999);
}

#[tokio::test]
async fn a_refund_that_is_made_while_the_breaker_is_open_is_sent_later() {
    let server = Memcached::start();
    let limiter = Limiter::connect(&server.url()).await.unwrap();
    let key = "alice".into_key();
    let first = check(&limiter, &key, 1000, Action::Consume).await;
    server.freeze();
    trip(&limiter).await;
    let charges = charge(&key, 100);
    limiter.refund(&charges, first.receipts()).await.unwrap();
    assert_eq!(limiter.health().late_charges, 1);
    server.thaw();
    all_is_sent(&limiter).await;
    assert_eq!(remaining(&server, &key).await, 100);
}
