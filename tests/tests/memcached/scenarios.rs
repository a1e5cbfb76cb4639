//! memcached gives what every store must give.

use limit_runtime::{Strategy, limits};
use std::num::NonZeroU64;
use test_support::{
    memcached_server::Memcached, next_after, refunds, remote::Harness, resets, scenarios,
};

type OnMemcached = Harness<Memcached>;

/// A log has one tick for all limits: here, a second is rounded to the ticks of a year.
const ROUNDED: &str = "limits that differ keep a year and a second apart";

#[tokio::test]
async fn memcached_keeps_every_row() {
    let memcached = OnMemcached::new().await;
    scenarios::run(&memcached.limiter, &memcached.clock, &[ROUNDED]).await;
}

#[tokio::test]
async fn more_remains_after_next_after_and_not_a_microsecond_sooner() {
    let OnMemcached { limiter, clock, .. } = &OnMemcached::new().await;
    next_after::more_remains_exactly_after_next_after(limiter, clock, 60).await;
}

#[tokio::test]
async fn merged_hits_are_refunded() {
    let OnMemcached { limiter, clock, .. } = &OnMemcached::new().await;
    refunds::merged_hits_are_refunded(limiter, clock, 1_500, 1_500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receipt_refunds_once() {
    refunds::a_receipt_refunds_once(&OnMemcached::new().await.limiter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_five_of_256_tasks_pass() {
    scenarios::many_tasks_at_once(&OnMemcached::new().await.limiter).await;
}

#[tokio::test]
async fn a_reset_returns_how_many_budgets_it_clears() {
    resets::a_reset_returns_how_many_budgets_it_clears(&OnMemcached::new().await.limiter).await;
}

/// Times to live of more than 30 days are dates on the server, of which the last is in 2038.
#[tokio::test]
async fn long_windows_are_kept() {
    let memcached = OnMemcached::new().await;
    for limits in [limits!("2/31d"), limits!("2/365d"), limits!("2/3650d")] {
        for strategy in [
            Strategy::MovingWindow,
            Strategy::FixedWindow,
            Strategy::SlidingWindow,
            Strategy::Gcra {
                burst: NonZeroU64::new(2).unwrap(),
            },
        ] {
            for expected in [true, true, false] {
                let check = memcached.limiter.check(&limits, "alice");
                let scope = format!("{limits}");
                let decision = check.scope(&*scope).strategy(strategy).await.unwrap();
                assert_eq!(decision.is_allowed(), expected, "{limits} {strategy:?}");
            }
        }
    }
}
