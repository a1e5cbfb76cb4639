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
    store::{Action, Charge},
};
use std::{sync::Arc, time::Duration};
use workspace_tests::{
    growth, oracle, refunds,
    scenarios::{self, Subject},
};

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

impl Subject for Memory {
    fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn step_back(&self, by: Duration) -> bool {
        self.clock.step_back(by);
        true
    }
}

impl oracle::Subject for Memory {
    async fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        self.limiter.decide(charges, action).await.unwrap()
    }

    async fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        self.limiter.refund(charges, receipts).await.unwrap();
    }

    fn tick(window: u64, is_large: bool) -> u64 {
        // Microseconds and then milliseconds, while 31 bits hold the window and 32 the totals.
        match window {
            0..0x8000_0000 => 1,
            _ if !is_large && window < 0x8000_0000 * 1_000 => 1_000,
            _ => 1,
        }
    }
}

#[tokio::test]
async fn every_answer_is_the_models() {
    oracle::run(60_000, async |clock, _| Memory::with_clock(clock.clone())).await;
}

#[tokio::test]
async fn memory_gives_every_row() {
    scenarios::run(&Memory::new()).await;
}

#[tokio::test]
async fn what_remains_grows_after_next_after_and_not_a_tick_sooner() {
    for entries in [1_024, 7, 1] {
        let clock = TestClock::new();
        let limiter = Limiter::builder().clock(clock.clone()).log_entries(entries);
        growth::remaining_grows_on_the_tick(&limiter.build(), &clock, 2_000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_receipt_gives_back_once() {
    refunds::a_receipt_gives_back_once(&Memory::new().limiter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_five_of_256_tasks_pass() {
    scenarios::many_tasks_at_once(&Arc::new(Memory::new())).await;
}
