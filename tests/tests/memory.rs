//! The in-memory store gives what every store must give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

use limit_runtime::{
    Decision, Limiter, Receipt,
    clock::TestClock,
    limits,
    store::{Action, Charge},
};
use std::time::Duration;
use test_support::{next_after, oracle, refunds, resets, scenarios};

struct Memory {
    limiter: Limiter,
    clock: TestClock,
}

impl Memory {
    fn new() -> Self {
        Self::with_clock(TestClock::new())
    }

    fn with_clock(clock: TestClock) -> Self {
        Self {
            limiter: Limiter::builder().clock(clock.clone()).build(),
            clock,
        }
    }
}

impl oracle::StoreUnderTest for Memory {
    async fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        self.limiter.check_all(charges, action).await.unwrap()
    }

    async fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        self.limiter.refund(charges, receipts).await.unwrap();
    }

    fn tick(window: u64, _: bool) -> u64 {
        // The smallest power of two with which 31 bits hold the window.
        let ticks = (0..).map(|shift| 1 << shift);
        ticks
            .into_iter()
            .find(|tick| window.div_ceil(*tick) < 1 << 31)
            .unwrap()
    }
}

#[tokio::test]
async fn every_answer_is_that_of_the_model() {
    oracle::run(60_000, async |clock, _| Memory::with_clock(clock.clone())).await;
}

#[tokio::test]
async fn memory_keeps_every_row() {
    let memory = Memory::new();
    // Its second is rounded to the ticks of a year.
    let rounded = ["limits that differ keep a year and a second apart"];
    scenarios::run(&memory.limiter, &memory.clock, &rounded).await;
}

/// A log has one tick for all limits, so a second beside a year is rounded up, and never down.
#[tokio::test]
async fn a_second_beside_a_year_lasts_two_ticks_longer_at_most() {
    let memory = Memory::new();
    let limits = limits!("2/second; 1000/year");
    let tick = Duration::from_micros(1 << 14);
    for step in 0..200 {
        for _ in 0..2 {
            let check = memory.limiter.check(&limits, "alice");
            assert!(check.await.unwrap().is_allowed());
        }
        let refused = memory.limiter.check(&limits, "alice").await.unwrap();
        let wait = refused.retry_after().unwrap();
        assert!(wait >= Duration::from_secs(1), "{wait:?}");
        assert!(wait < Duration::from_secs(1) + 2 * tick, "{wait:?}");
        memory.clock.advance(wait - Duration::from_micros(1));
        let sooner = memory.limiter.check(&limits, "alice");
        assert!(!sooner.await.unwrap().is_allowed());
        memory.clock.advance(Duration::from_micros(1 + step * 7));
    }
}

#[tokio::test]
async fn more_remains_after_next_after_and_not_a_microsecond_sooner() {
    for entries in [1_024, 7, 1] {
        let clock = TestClock::new();
        let limiter = Limiter::builder()
            .clock(clock.clone())
            .max_log_entries(entries);
        next_after::more_remains_exactly_after_next_after(&limiter.build(), &clock, 2_000).await;
    }
}

#[tokio::test]
async fn merged_hits_are_refunded() {
    let Memory { limiter, clock } = Memory::new();
    refunds::merged_hits_are_refunded(&limiter, &clock, 5_000, 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receipt_refunds_once() {
    refunds::a_receipt_refunds_once(&Memory::new().limiter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_five_of_256_tasks_pass() {
    scenarios::many_tasks_at_once(&Memory::new().limiter).await;
}

#[tokio::test]
async fn a_reset_returns_how_many_budgets_it_clears() {
    let memory = Memory::new();
    resets::a_reset_returns_how_many_budgets_it_clears(&memory.limiter).await;
    let check = memory.limiter.check(&limits!("9/minute"), "alice");
    check.await.unwrap();
    memory.clock.advance(Duration::from_secs(60));
    let cleared = memory.limiter.reset_key("", "alice").await.unwrap();
    assert_eq!(cleared, 0, "it counts nothing any more");
}
