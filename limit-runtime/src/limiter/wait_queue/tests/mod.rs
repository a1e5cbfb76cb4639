//! Requests against the queues of one limiter, on tokio's paused clock.

mod cancellation;
mod exact_turns;
mod order;
mod random;
mod remote_store;
mod several_rules;
mod wake_ups;

use super::{QueueKey, WaitMode, WaitQueues, acquire};
use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    key::{IntoKey, Key},
    limiter::{Limiter, LimiterBuilder},
    store::{Action, Charge, Scope, Store, StoreError, StoreFuture},
    window::Strategy,
};
use limit_core::{Limits, limits};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    task::{JoinHandle, yield_now},
    time::Instant,
};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A limiter in memory, on tokio's clock.
fn limiter() -> Limiter {
    build(Limiter::builder())
}

fn build(builder: LimiterBuilder) -> Limiter {
    builder.clock(Clock::tokio()).build()
}

/// One rule, as a request sees it.
#[derive(Clone, Debug)]
struct Rule {
    scope: &'static str,
    key: Key,
    limits: Limits,
    cost: u64,
    strategy: Strategy,
    max_wait: Duration,
}

impl Rule {
    fn new(scope: &'static str, limits: Limits, max_wait: Duration) -> Self {
        Self {
            scope,
            key: ().into_key(),
            limits,
            cost: 1,
            strategy: Strategy::MovingWindow,
            max_wait,
        }
    }

    fn cost(self, cost: u64) -> Self {
        Self { cost, ..self }
    }

    fn key(self, key: impl IntoKey) -> Self {
        let key = key.into_key();
        Self { key, ..self }
    }

    fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    fn max_wait(self, max_wait: Duration) -> Self {
        Self { max_wait, ..self }
    }

    fn charge(&self) -> Charge<'_> {
        Charge::new(Scope::shared(self.scope), &self.key, &self.limits)
            .cost(self.cost)
            .strategy(self.strategy)
    }
}

async fn request(
    limiter: &Limiter,
    rules: &[Rule],
    mode: WaitMode,
) -> Result<Decision, StoreError> {
    let charges: Vec<_> = rules.iter().map(Rule::charge).collect();
    let max_waits: Vec<_> = rules.iter().map(|rule| rule.max_wait.into()).collect();
    acquire(limiter, &charges, Action::Consume, &max_waits, mode, |_| ())
        .await
        .map(|(decision, _)| decision)
}

/// The result of a request, and after how many milliseconds since it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Admitted(u128),
    /// With its `retry_after` in milliseconds.
    Refused(u128, Option<u128>),
}

async fn answer(limiter: &Limiter, rules: &[Rule], mode: WaitMode) -> Answer {
    let start = Instant::now();
    let decision = request(limiter, rules, mode).await.unwrap();
    let waited = start.elapsed().as_millis();
    if decision.is_allowed() {
        Answer::Admitted(waited)
    } else {
        let wait = decision.retry_after();
        Answer::Refused(waited, wait.map(|wait| wait.as_micros().div_ceil(1_000)))
    }
}

/// Sends a request, which is checked before this returns.
async fn send(limiter: &Limiter, rules: &[Rule]) -> JoinHandle<Answer> {
    let (limiter, rules) = (limiter.clone(), rules.to_vec());
    let answer = tokio::spawn(async move { answer(&limiter, &rules, WaitMode::Allowed).await });
    settle().await;
    answer
}

/// Lets all tasks run that can run now.
async fn settle() {
    for _ in 0..64 {
        yield_now().await;
    }
}

fn waiting(limiter: &Limiter) -> usize {
    let queues = limiter.wait_queues();
    let waiters: usize = {
        let queues = queues.queues.lock();
        assert!(queues.0.values().all(|queue| !queue.waiters.is_empty()));
        queues.0.values().map(|queue| queue.waiters.len()).sum()
    };
    assert_eq!(queues.waiting.load(Ordering::Relaxed), waiters);
    waiters
}

fn is_queue_of(queues: &WaitQueues, rule: &Rule) -> bool {
    let key = QueueKey::of(&rule.charge());
    queues.queues.lock().0.contains_key(&key)
}

fn one_per_two_seconds(max_wait: Duration) -> Rule {
    Rule::new("model", limits!("1/2s"), max_wait)
}

/// The answers to six requests that come at once under `one_per_two_seconds` with a wait of 5 s.
fn answers_to_six_at_once() -> [Answer; 6] {
    let refused = Answer::Refused(0, Some(6_000));
    [
        Answer::Admitted(0),
        Answer::Admitted(2_000),
        Answer::Admitted(4_000),
        refused.clone(),
        refused.clone(),
        refused,
    ]
}

/// A store that answers after a few polls, as a remote one does. It counts in memory.
#[derive(Clone, Debug)]
struct SlowStore {
    memory: Limiter,
    asked: Arc<AtomicU64>,
    /// Polls between the check and the answer.
    delay: Arc<AtomicU64>,
}

impl SlowStore {
    fn limiter() -> (Limiter, Self) {
        let store = Self {
            memory: limiter(),
            asked: Arc::default(),
            delay: Arc::default(),
        };
        (build(Limiter::builder().store(store.clone())), store)
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Store for SlowStore {
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let delay = self.delay.load(Ordering::Relaxed);
        Box::pin(async move {
            yield_now().await;
            yield_now().await;
            let decision = self.memory.check_all(charges, action).await;
            for _ in 0..delay {
                yield_now().await;
            }
            decision
        })
    }

    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.memory.refund(charges, receipts))
    }

    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64> {
        let key = key.clone();
        Box::pin(self.memory.reset_key(scope, key))
    }

    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.memory.reset_all())
    }
}

/// A future that is dropped after so many polls.
struct DropAfter<F> {
    future: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for DropAfter<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls.checked_sub(1) else {
            self.future = None;
            return Poll::Ready(None);
        };
        self.polls = left;
        let Some(future) = &mut self.future else {
            return Poll::Pending;
        };
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => {
                self.future = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
