//! What a reset deletes, and what it leaves.

use limit_runtime::{
    Limiter, Strategy, limits,
    store::{
        Fallback, Store,
        redis::{RedisStore, redis},
    },
};
use std::{num::NonZeroU64, time::Duration};
use test_support::servers::{Cluster, Server, patient};

async fn limiter_with(url: &str, prefix: &str, secret: Option<&str>) -> Limiter {
    let mut builder = Limiter::builder().remote(url).key_prefix(prefix);
    if let Some(secret) = secret {
        builder = builder.key_secret(secret);
    }
    let builder = builder.store_deadline(Duration::from_secs(10));
    builder.fallback(Fallback::Deny).connect().await.unwrap()
}

async fn use_up(limiter: &Limiter) {
    let limits = limits!("1/minute; 2/hour");
    assert!(limiter.check(&limits, "alice").await.unwrap().is_allowed());
    let burst = NonZeroU64::MIN;
    for strategy in [
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ] {
        let check = limiter.check(&limits, "alice").strategy(strategy);
        assert!(check.await.unwrap().is_allowed());
    }
}

/// Whether the budgets of [`use_up`] are unused again.
async fn is_unused(limiter: &Limiter) -> bool {
    let check = limiter.check(&limits!("1/minute; 2/hour"), "alice").peek();
    check.await.unwrap().is_allowed()
}

/// The keys in the server that are not the record of the windows in use.
async fn keys(url: &str) -> Vec<String> {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let mut keys: Vec<_> = keys
        .into_iter()
        .filter(|key| !key.ends_with("}:windows"))
        .collect();
    keys.sort();
    keys
}

async fn set(url: &str, keys: &[String]) {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for key in keys {
        let mut set = redis::cmd("SET");
        set.arg(key).arg("x");
        set.query_async::<()>(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_deletes_only_keys_of_the_limiter() {
    let server = Server::redis();
    let url = server.url();
    let own = limiter_with(&url, "limit", None).await;
    let neighbours = [
        limiter_with(&url, "limit:batch", None).await,
        limiter_with(&url, "limit", Some("another secret")).await,
        limiter_with(&url, "lim", None).await,
    ];
    for limiter in &neighbours {
        use_up(limiter).await;
    }
    let name = own.describe_key("", "alice").unwrap();
    let mut others = vec![
        "limit:config".to_owned(),
        "limit:{config}".to_owned(),
        "limit:{0123456789012345678901234567890123456789}:m60000".to_owned(),
        "limitless".to_owned(),
        "config".to_owned(),
        name.clone(),
        format!("{name}:x1"),
        format!("{name}:m60000:note"),
        format!("x{name}:m60000"),
    ];
    set(&url, &others).await;
    others.extend(keys(&url).await);
    others.sort();
    others.dedup();
    use_up(&own).await;
    // The marker of a charge with an id, and what a test clock adds.
    set(&url, &[format!("{name}:i42"), format!("{name}:m60000~")]).await;
    assert!(keys(&url).await.len() > others.len());
    own.reset_all().await.unwrap();
    assert_eq!(keys(&url).await, others);
    assert!(is_unused(&own).await);
    for limiter in &neighbours {
        assert!(!is_unused(limiter).await);
    }
}

#[tokio::test]
async fn a_prefix_with_characters_of_patterns_is_no_pattern() {
    let server = Server::redis();
    let url = server.url();
    let limiter = limiter_with(&url, r"l*[a-z]?\^", None).await;
    let other = limiter_with(&url, r"limits", None).await;
    use_up(&limiter).await;
    use_up(&other).await;
    limiter.reset_all().await.unwrap();
    assert!(is_unused(&limiter).await);
    assert!(!is_unused(&other).await);
}

#[tokio::test]
async fn a_reset_of_more_keys_than_a_page_deletes_all() {
    let server = Server::redis();
    let url = server.url();
    let limiter = patient(&url).await;
    for who in 0..1_200_u32 {
        limiter.check(&limits!("1/minute"), who).await.unwrap();
    }
    set(&url, &["limit:config".to_owned()]).await;
    limiter.reset_all().await.unwrap();
    assert_eq!(keys(&url).await, ["limit:config"]);
}

#[tokio::test]
async fn a_cluster_is_reset_on_each_of_its_masters() {
    let cluster = Cluster::start(false);
    let url = cluster.url();
    let limiter = limiter_with(&url, "limit", None).await;
    let other = limiter_with(&url, "limit", Some("another secret")).await;
    for who in 0..64_u32 {
        for limiter in [&limiter, &other] {
            limiter.check(&limits!("1/minute"), who).await.unwrap();
        }
    }
    let mut before = Vec::new();
    for node in &cluster.nodes {
        let keys = keys(&node.url()).await;
        assert!(!keys.is_empty());
        before.extend(keys);
    }
    assert_eq!(before.len(), 128);
    limiter.reset_all().await.unwrap();
    let mut after = Vec::new();
    for node in &cluster.nodes {
        after.extend(keys(&node.url()).await);
    }
    assert_eq!(after.len(), 64);
    for who in 0..64_u32 {
        let name = other.describe_key("", who).unwrap();
        assert!(after.contains(&format!("{name}:m60000")));
    }
}

#[tokio::test]
async fn a_process_resets_what_only_another_one_has_checked() {
    let server = Server::redis();
    resets_what_another_has_checked(&server.url()).await;
}

#[tokio::test]
async fn a_process_resets_what_only_another_one_has_checked_in_a_cluster() {
    let cluster = Cluster::start(false);
    resets_what_another_has_checked(&cluster.url()).await;
}

async fn resets_what_another_has_checked(url: &str) {
    let checks = patient(url).await;
    let administers = patient(url).await;
    for _ in 0..2 {
        use_up(&checks).await;
        assert_eq!(administers.reset_key("", "bob").await.unwrap(), 0);
        assert_eq!(administers.reset_key("other", "alice").await.unwrap(), 0);
        assert_eq!(administers.reset_key("", "alice").await.unwrap(), 4);
        assert_eq!(administers.reset_key("", "alice").await.unwrap(), 0);
        let newcomer = patient(url).await;
        assert!(is_unused(&newcomer).await);
        // The process that counted repeats denials of its own for up to a second.
        checks.reset_key("", "alice").await.unwrap();
    }
    // The record of the windows outlives a reset of everything.
    use_up(&checks).await;
    administers.reset_all().await.unwrap();
    checks.reset_all().await.unwrap();
    use_up(&checks).await;
    let newcomer = patient(url).await;
    assert_eq!(newcomer.reset_key("", "alice").await.unwrap(), 4);
}

#[tokio::test]
async fn windows_are_recorded_again_after_the_server_lost_them() {
    let server = Server::redis();
    let checks = RedisStore::new(&server.url()).unwrap();
    let checks = Limiter::builder().store(checks).build();
    use_up(&checks).await;
    server.kill();
    server.restart();
    let administers = patient(&server.url()).await;
    // Until the new connection is used, this counts locally.
    let cleared = async {
        loop {
            checks.check(&limits!("9/day"), "alice").await.unwrap();
            let cleared = administers.reset_key("", "alice").await.unwrap();
            if cleared > 0 {
                return cleared;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let cleared = tokio::time::timeout(Duration::from_secs(20), cleared).await;
    assert_eq!(cleared.unwrap(), 1);
}

#[tokio::test]
async fn the_record_of_windows_expires_and_is_bounded() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    limiter.check(&limits!("1/second"), "alice").await.unwrap();
    limiter.check(&limits!("1/30d"), "alice").await.unwrap();
    limiter.check(&limits!("1/minute"), "alice").await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (_, names): (u64, Vec<String>) = redis::cmd("SCAN")
        .arg("0")
        .arg("MATCH")
        .arg("limit:{*}:windows")
        .query_async(&mut connection)
        .await
        .unwrap();
    let [name] = &names[..] else {
        panic!("{names:?}");
    };
    let mut ttl = redis::cmd("TTL");
    let ttl: i64 = ttl.arg(name).query_async(&mut connection).await.unwrap();
    let day = 86_400;
    assert!((60 * day..=61 * day).contains(&ttl), "{ttl}");
    // Other processes have filled it. The windows that expire first make room.
    let mut fill = redis::cmd("EVAL");
    let script = "local now = redis.call('TIME')[1] * 1000
        for i = 1, 1100 do redis.call('ZADD', KEYS[1], now + 1e8 + i, 'f' .. i) end";
    fill.arg(script).arg(1).arg(name);
    fill.query_async::<()>(&mut connection).await.unwrap();
    limiter.check(&limits!("1/hour"), "alice").await.unwrap();
    let mut range = redis::cmd("ZRANGE");
    range.arg(name).arg(0).arg(-1);
    let members: Vec<String> = range.query_async(&mut connection).await.unwrap();
    assert_eq!(members.len(), 1024);
    assert_eq!(members.last().unwrap(), "m2592000000");
    let keeps = |member: &str| members.iter().any(|kept| kept == member);
    assert!(keeps("f1100") && !keeps("f1"));
}

#[tokio::test]
async fn a_peek_records_nothing() {
    let server = Server::redis();
    let limiter = patient(&server.url()).await;
    let check = limiter.check(&limits!("1/minute"), "alice").peek();
    check.await.unwrap();
    assert_eq!(limiter.reset_key("", "alice").await.unwrap(), 0);
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let size = redis::cmd("DBSIZE");
    assert_eq!(size.query_async::<u64>(&mut connection).await.unwrap(), 0);
}

#[tokio::test]
async fn a_store_of_its_own_resets_exactly_too() {
    let server = Server::redis();
    let store = RedisStore::new(&server.url()).unwrap().key_prefix("limit");
    set(&server.url(), &["limit:config".to_owned()]).await;
    store.reset_all().await.unwrap();
    assert_eq!(keys(&server.url()).await, ["limit:config"]);
}
