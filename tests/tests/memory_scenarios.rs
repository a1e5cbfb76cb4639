//! The in-memory store gives what every store must give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

use limit_runtime::{Limiter, clock::TestClock};
use std::{sync::Arc, time::Duration};
use workspace_tests::scenarios::{self, Subject};

struct Memory {
    limiter: Limiter,
    clock: TestClock,
}

impl Memory {
    fn new() -> Self {
        let clock = TestClock::new();
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

#[tokio::test]
async fn memory_gives_every_row() {
    scenarios::run(&Memory::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_five_of_256_tasks_pass() {
    scenarios::many_tasks_at_once(&Arc::new(Memory::new())).await;
}
