//! Charges that reach the server late, and those that are sent more than once.

use limit_runtime::{
    IntoKey, Limiter,
    store::{Action, ChargeId, Store, memcached::MemcachedStore},
};
use test_support::{
    memcached_server::Memcached,
    remote::late_charges::{self, all_is_sent, charge, check, refund, remaining, with_id},
};

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
    late_charges::forced_charges_are_sent_when_the_server_is_back::<Memcached>().await;
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
        refund(&limiter, &key, 20, &first).await;
        server.thaw();
        all_is_sent(&limiter).await;
    }
    all_is_sent(&limiter).await;
    assert_eq!(remaining(&server, &key).await, 730);
}

#[tokio::test]
async fn a_request_that_ends_while_its_check_waits_leaves_no_charge() {
    late_charges::a_request_that_ends_while_its_check_waits_leaves_no_charge::<Memcached>().await;
}

#[tokio::test]
async fn a_refund_that_is_made_while_the_breaker_is_open_is_sent_later() {
    late_charges::a_refund_that_is_made_while_the_breaker_is_open_is_sent_later::<Memcached>()
        .await;
}
