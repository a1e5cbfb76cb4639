//! Resets, also by another process.

use limit_runtime::{
    IntoKey, Limiter, Strategy, limits,
    store::{Action, Store, memcached::MemcachedStore},
};
use std::time::{Duration, Instant};
use test_support::{
    memcached_server::Memcached,
    remote::late_charges::{charge, check},
    servers::patient,
};

#[tokio::test]
async fn a_reset_of_all_is_seen_by_other_processes_within_a_second() {
    let server = Memcached::start();
    let stores = [(); 2].map(|()| MemcachedStore::new(&server.url()).unwrap());
    let keys = ["alice", "bob"].map(IntoKey::into_key);
    for (store, key) in stores.iter().zip(&keys) {
        let decision = store.check(&charge(key, 1000), Action::Consume).await;
        assert!(decision.unwrap().is_allowed());
    }
    let epochs = [stores[0].epoch(), stores[1].epoch()];
    assert_eq!(epochs, [1, 1]);
    stores[0].reset_all().await.unwrap();
    // This process sees it at once.
    let decision = stores[0]
        .check(&charge(&keys[0], 400), Action::Consume)
        .await;
    assert!(decision.unwrap().is_allowed());
    let reset_at = Instant::now();
    loop {
        let decision = stores[1]
            .check(&charge(&keys[1], 400), Action::Consume)
            .await;
        if decision.unwrap().is_allowed() {
            break;
        }
        assert!(reset_at.elapsed() < Duration::from_millis(1_300));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Nothing is lost by a reset, and both see one generation.
    assert_eq!([stores[0].epoch(), stores[1].epoch()], epochs);
    for (store, key) in stores.iter().zip(keys.iter().rev()) {
        let decision = store.check(&charge(key, 1), Action::Peek).await.unwrap();
        assert_eq!(decision.outcomes()[0].remaining(), 600);
    }
}

#[tokio::test]
async fn a_reset_of_a_key_is_seen_by_other_processes_at_once() {
    let server = Memcached::start();
    let one = patient(&server.url()).await;
    let other = MemcachedStore::new(&server.url()).unwrap();
    let key = "alice".into_key();
    for strategy in [Strategy::MovingWindow, Strategy::FixedWindow] {
        let [charge] = charge(&key, 1000);
        let charges = [charge.strategy(strategy)];
        let decision = other.check(&charges, Action::Consume).await.unwrap();
        assert!(decision.is_allowed());
    }
    // This process has never seen the rule.
    assert_eq!(one.reset_key("tokens", "alice").await.unwrap(), 2);
    assert_eq!(one.reset_key("tokens", "alice").await.unwrap(), 0);
    let decision = other.check(&charge(&key, 1000), Action::Consume).await;
    assert!(decision.unwrap().is_allowed());
}

#[tokio::test]
async fn limiters_with_other_prefixes_or_secrets_share_nothing() {
    let server = Memcached::start();
    let limits = limits!("1/minute");
    for (prefix, secret) in [("a", "x"), ("a", "y"), ("b", "x")] {
        let builder = Limiter::builder().remote(&server.url());
        let builder = builder.store_deadline(Duration::from_secs(10));
        let builder = builder.key_prefix(prefix).key_secret(secret);
        let limiter = builder.connect().await.unwrap();
        let decision = limiter.check(&limits, "alice").await.unwrap();
        assert!(decision.is_allowed(), "{prefix} {secret}");
    }
    let limiter = patient(&server.url()).await;
    let key = "alice".into_key();
    check(&limiter, &key, 7, Action::Consume).await;
    let a = Limiter::builder().remote(&server.url()).key_prefix("a");
    a.connect().await.unwrap().reset_all().await.unwrap();
    let decision = check(&limiter, &key, 1, Action::Peek).await;
    assert_eq!(decision.outcomes()[0].remaining(), 993);
}
