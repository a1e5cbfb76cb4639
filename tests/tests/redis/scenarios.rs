//! Redis gives what every store must give.

use limit_runtime::limits;
use std::time::Duration;
use test_support::{next_after, refunds, remote::Harness, scenarios, servers::Server};

type Redis = Harness<Server>;

/// Its window is so long that a tick of Redis is 30 ms; see `a_year_is_a_few_ticks_longer`.
const LONG: &str = "limits that differ keep a year and a second apart";
/// A budget of Redis has a log for each window, so that each is flat in time and memory.
const OTHER_WINDOWS: &str = "23a: a longer window sees what a shorter one recorded and still holds";

#[tokio::test]
async fn redis_keeps_every_row() {
    let redis = Redis::new().await;
    scenarios::run(&redis.limiter, &redis.clock, &[OTHER_WINDOWS, LONG]).await;
}

#[tokio::test]
async fn more_remains_after_next_after_and_not_a_microsecond_sooner() {
    let redis = Redis::new().await;
    next_after::more_remains_exactly_after_next_after(&redis.limiter, &redis.clock, 60).await;
}

#[tokio::test]
async fn merged_hits_are_refunded() {
    let Redis { limiter, clock, .. } = &Redis::new().await;
    refunds::merged_hits_are_refunded(limiter, clock, 26_000, 600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receipt_refunds_once() {
    refunds::a_receipt_refunds_once(&Redis::new().await.limiter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_five_of_256_tasks_pass() {
    scenarios::many_tasks_at_once(&Redis::new().await.limiter).await;
}

#[tokio::test]
async fn a_window_of_a_year_is_a_few_ticks_longer_and_its_waits_are_exact() {
    let redis = Redis::new().await;
    let limits = limits!("2/365d");
    let check = || async { redis.limiter.check(&limits, "alice").await.unwrap() };
    assert!(check().await.is_allowed());
    redis.clock.advance(Duration::from_secs(1000));
    assert!(check().await.is_allowed());
    let wait = check().await.retry_after().unwrap();
    let year = Duration::from_secs(365 * 86_400);
    let tick = Duration::from_millis(30);
    let exact = year - Duration::from_secs(1000);
    assert!(exact <= wait && wait <= exact + 2 * tick, "{wait:?}");
    redis.clock.advance(wait - Duration::from_micros(1));
    assert!(!check().await.is_allowed());
    redis.clock.advance(Duration::from_micros(1));
    assert!(check().await.is_allowed());
}

/// Ticks of 32 bits wrap after 71.6 minutes, so an entry that is an hour ahead looks as if it were
/// 11.6 minutes old.
#[tokio::test]
async fn an_hour_back_frees_nothing_in_a_window_of_15_minutes() {
    let redis = Redis::new().await;
    let limits = limits!("10/15min");
    let check = |cost| {
        let check = redis.limiter.check(&limits, "alice").cost(cost);
        async { check.await.unwrap() }
    };
    redis.clock.advance(Duration::from_secs(7_200));
    assert!(check(9).await.is_allowed());
    redis.clock.step_back(Duration::from_secs(3_600));
    redis.clock.advance(Duration::from_secs(1));
    assert!(check(1).await.is_allowed());
    // 9 units have left the window, if an hour ahead is taken for 11.6 minutes ago.
    redis.clock.advance(Duration::from_secs(305));
    let denied = check(1).await;
    assert!(!denied.is_allowed());
    redis.clock.advance(denied.retry_after().unwrap());
    assert!(check(10).await.is_allowed());
}
