//! memcached gives what every store must give.

use limit_runtime::{Limiter, Strategy, clock::TestClock, limits, store::Fallback};
use std::{num::NonZeroU64, time::Duration};
use test_support::{memcached_server::Memcached, next_after, refunds, resets, scenarios};

struct Harness {
    limiter: Limiter,
    clock: TestClock,
    _server: Memcached,
}

/// A log has one tick for all limits: here, a second is rounded to the ticks of a year.
const ROUNDED: &str = "limits that differ keep a year and a second apart";

impl Harness {
    async fn new() -> Self {
        let server = Memcached::start();
        let clock = TestClock::new();
        let limiter = Limiter::builder()
            .clock(clock.clone())
            .remote(&server.url())
            .store_deadline(Duration::from_secs(10))
            // So that no answer is one of the local counts.
            .fallback(Fallback::Deny)
            .connect()
            .await
            .unwrap();
        Self {
            limiter,
            clock,
            _server: server,
        }
    }
}

#[tokio::test]
async fn memcached_keeps_every_row() {
    let memcached = Harness::new().await;
    scenarios::run(&memcached.limiter, &memcached.clock, &[ROUNDED]).await;
}

#[tokio::test]
async fn more_remains_after_next_after_and_not_a_microsecond_sooner() {
    let Harness { limiter, clock, .. } = &Harness::new().await;
    next_after::more_remains_exactly_after_next_after(limiter, clock, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receipt_refunds_once() {
    refunds::a_receipt_refunds_once(&Harness::new().await.limiter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_five_of_256_tasks_pass() {
    scenarios::many_tasks_at_once(&Harness::new().await.limiter).await;
}

#[tokio::test]
async fn a_reset_returns_how_many_budgets_it_clears() {
    resets::a_reset_returns_how_many_budgets_it_clears(&Harness::new().await.limiter).await;
}

/// Times to live of more than 30 days are dates on the server, of which the last is in 2038.
#[tokio::test]
async fn long_windows_are_kept() {
    let memcached = Harness::new().await;
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
