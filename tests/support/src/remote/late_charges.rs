//! Charges that reach the server late: after an outage, or after their request has ended.

use super::{RemoteServer, started, trip, until, until_async};
use crate::servers::patient;
use limit_runtime::{
    Decision, IntoKey, Key, Limiter, Limits, limits,
    store::{Action, Charge, ChargeId, Scope},
};
use std::time::Duration;

const LIMITS: Limits = limits!("1000/hour");

/// A charge on a budget of 1000 units an hour.
#[must_use]
pub fn charge(key: &Key, cost: u64) -> [Charge<'_>; 1] {
    [Charge::new(Scope::shared("tokens"), key, &LIMITS).cost(cost)]
}

/// The charge with this id.
#[must_use]
pub fn with_id(mut charge: Charge<'_>, id: ChargeId) -> Charge<'_> {
    charge.id = Some(id);
    charge
}

/// The decision on a [`charge`].
pub async fn check(limiter: &Limiter, key: &Key, cost: u64, action: Action) -> Decision {
    let charges = charge(key, cost);
    limiter.check_all(&charges, action).await.unwrap()
}

/// Gives back units of a [`charge`].
pub async fn refund(limiter: &Limiter, key: &Key, units: u64, consumed: &Decision) {
    let charges = charge(key, units);
    let receipts = consumed.receipts();
    limiter.refund(&charges, receipts).await.unwrap();
}

/// The units that another process sees left.
pub async fn remaining<S: RemoteServer>(server: &S, key: &Key) -> u64 {
    let limiter = patient(&S::url_of(server.port())).await;
    let decision = limiter.check_all(&charge(key, 1), Action::Peek).await;
    decision.unwrap().outcomes()[0].remaining()
}

/// Waits until no charge waits for the server.
pub async fn all_is_sent(limiter: &Limiter) {
    until("the late charges are sent", || {
        limiter.health().late_charges == 0
    })
    .await;
}

/// Forced charges during an outage count after it.
pub async fn forced_charges_are_sent_when_the_server_is_back<S: RemoteServer>() {
    let (server, limiter) = started::<S>().await;
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

/// A refund while the server is not called counts later.
pub async fn a_refund_that_is_made_while_the_breaker_is_open_is_sent_later<S: RemoteServer>() {
    let (server, limiter) = started::<S>().await;
    let key = "alice".into_key();
    let first = check(&limiter, &key, 1000, Action::Consume).await;
    server.freeze();
    trip(&limiter).await;
    refund(&limiter, &key, 100, &first).await;
    assert_eq!(limiter.health().late_charges, 1);
    server.thaw();
    all_is_sent(&limiter).await;
    assert_eq!(remaining(&server, &key).await, 100);
}

/// What a cancelled check has consumed is given back, by the server and in this process.
pub async fn a_request_that_ends_while_its_check_waits_leaves_no_charge<S: RemoteServer>() {
    let (server, limiter) = started::<S>().await;
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
    until_async("the charges are given back", async || {
        remaining(&server, &key).await == 999 && limiter.health().late_charges == 0
    })
    .await;
    // The local counts kept none of them either.
    server.kill();
    let local = check(&limiter, &key, 1, Action::Peek).await;
    assert_eq!(local.outcomes()[0].remaining(), 999);
}
