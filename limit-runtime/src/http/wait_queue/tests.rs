//! Requests against the queues of one limiter, on tokio's paused clock.

use super::{Arrival, QueueKey, WaitMode, WaitQueues, acquire};
use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    key::{IntoKey, Key},
    limiter::{Limiter, LimiterBuilder},
    store::{Action, Charge, Scope, Store, StoreError, StoreFuture},
    window::Strategy,
};
use limit_core::{Limits, limits};
use parking_lot::Mutex;
use std::{
    future::Future,
    num::NonZeroU64,
    pin::{Pin, pin},
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    task::{JoinHandle, JoinSet, yield_now},
    time::{Instant, sleep, timeout},
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
    let max_waits: Vec<_> = rules.iter().map(|rule| rule.max_wait).collect();
    acquire(limiter, &charges, Action::Consume, &max_waits, mode).await
}

/// What became of a request, and after how many milliseconds since it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Admitted(u128),
    /// With the wait that it was told, in milliseconds.
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

#[tokio::test(start_paused = true)]
async fn a_turn_beyond_the_wait_is_refused_on_arrival() {
    let limiter = limiter();
    let rule = [one_per_two_seconds(secs(5))];
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(send(&limiter, &rule).await);
    }
    let mut seen = Vec::new();
    for answer in answers {
        seen.push(answer.await.unwrap());
    }
    use Answer::{Admitted, Refused};
    let refused = Refused(0, Some(6_000));
    assert_eq!(
        seen,
        [
            Admitted(0),
            Admitted(2_000),
            Admitted(4_000),
            refused.clone(),
            refused.clone(),
            refused,
        ]
    );
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_even_if_its_cost_fits() {
    let limiter = limiter();
    let rule = Rule::new("model", limits!("10/2s"), secs(60));
    assert_eq!(
        answer(&limiter, &[rule.clone().cost(6)], WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    let large = send(&limiter, &[rule.clone().cost(8)]).await;
    let small = send(&limiter, &[rule.clone().cost(4)]).await;
    let smaller = send(&limiter, &[rule.clone().cost(2)]).await;
    assert_eq!(waiting(&limiter), 3);
    assert_eq!(large.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(smaller.await.unwrap(), Answer::Admitted(4_000));
    assert_eq!(small.await.unwrap(), Answer::Admitted(4_000));
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_that_may_not_wait_is_refused_with_its_turn() {
    let limiter = limiter();
    let rule = Rule::new("model", limits!("10/2s"), secs(60));
    answer(&limiter, &[rule.clone().cost(6)], WaitMode::Allowed).await;
    let large = send(&limiter, &[rule.clone().cost(8)]).await;
    // It fits beside the 6, and beside the 8 when these have their turn.
    let no_wait = [rule.clone().cost(2).max_wait(Duration::ZERO)];
    let refused = Answer::Refused(0, Some(2_000));
    assert_eq!(answer(&limiter, &no_wait, WaitMode::Allowed).await, refused);
    assert_eq!(
        answer(&limiter, &[rule.clone().cost(2)], WaitMode::Never).await,
        refused
    );
    // This one has its turn when the 8 leave again.
    let refused = Answer::Refused(0, Some(4_000));
    assert_eq!(
        answer(&limiter, &[rule.clone().cost(4)], WaitMode::Never).await,
        refused
    );
    assert_eq!(waiting(&limiter), 1);
    assert_eq!(large.await.unwrap(), Answer::Admitted(2_000));
    // Nothing waits any more: it is an ordinary check.
    assert_eq!(
        answer(&limiter, &[rule.cost(2)], WaitMode::Never).await,
        Answer::Admitted(0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_mode_without_waiting_refuses_as_the_store_does() {
    let limiter = limiter();
    let rule = [one_per_two_seconds(secs(5))];
    assert_eq!(
        answer(&limiter, &rule, WaitMode::Never).await,
        Answer::Admitted(0)
    );
    assert_eq!(
        answer(&limiter, &rule, WaitMode::Never).await,
        Answer::Refused(0, Some(2_000))
    );
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_with_the_turn_and_leaves_nothing_behind() {
    for (longest, turn) in [(0, 2_000), (2, 6_000)] {
        let limiter = build(Limiter::builder().longest_line(longest));
        let rule = [one_per_two_seconds(secs(60))];
        answer(&limiter, &rule, WaitMode::Allowed).await;
        let mut waiters = JoinSet::new();
        for _ in 0..longest {
            let (limiter, rule) = (limiter.clone(), rule.clone());
            waiters.spawn(async move { answer(&limiter, &rule, WaitMode::Allowed).await });
            settle().await;
        }
        assert_eq!(waiting(&limiter), longest);
        let full = answer(&limiter, &rule, WaitMode::Allowed).await;
        assert_eq!(full, Answer::Refused(0, Some(turn)));
        waiters.join_all().await;
        sleep(secs(2)).await;
        assert_eq!(waiting(&limiter), 0);
        assert_eq!(
            answer(&limiter, &rule, WaitMode::Allowed).await,
            Answer::Admitted(0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_only_where_it_is_refused() {
    let limiter = limiter();
    let rules = |client: u64| {
        [
            Rule::new("all", limits!("1_000/second"), secs(3)),
            Rule::new("client", limits!("1/2s"), secs(3)).key(client),
        ]
    };
    let mut first = Vec::new();
    for _ in 0..70 {
        first.push(send(&limiter, &rules(1)).await);
    }
    assert_eq!(waiting(&limiter), 1);
    assert!(!is_queue_of(limiter.wait_queues(), &rules(1)[0]));
    assert_eq!(
        answer(&limiter, &rules(2), WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    let mut served = 0;
    for answer in first {
        served += u32::from(matches!(answer.await.unwrap(), Answer::Admitted(_)));
    }
    assert_eq!(served, 2);
}

/// A request that is refused by another rule at its turn goes to that queue, ahead of those that
/// arrived after it, and with what is left of its wait.
#[tokio::test(start_paused = true)]
async fn a_request_moves_to_the_queue_of_the_rule_that_refuses_now() {
    let limiter = limiter();
    let first = Rule::new("first", limits!("1/2s"), secs(60));
    let second = Rule::new("second", limits!("1/10s"), secs(60));
    answer(&limiter, slice::from_ref(&first), WaitMode::Allowed).await;
    // Waits for `first`, as `second` has room.
    let both = send(&limiter, &[first.clone(), second.clone()]).await;
    let impatient = [first.clone(), second.clone().max_wait(secs(9))];
    let impatient = send(&limiter, &impatient).await;
    assert!(is_queue_of(limiter.wait_queues(), &first));
    assert!(!is_queue_of(limiter.wait_queues(), &second));
    // `second` is taken meanwhile, and has a waiter that arrived later.
    assert_eq!(
        answer(&limiter, slice::from_ref(&second), WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    let later = send(&limiter, slice::from_ref(&second)).await;
    sleep(secs(3)).await;
    assert!(!is_queue_of(limiter.wait_queues(), &first));
    // Both found that out at their turn; one had 7 seconds left, of a turn 18 seconds away.
    assert!(impatient.is_finished());
    assert_eq!(
        impatient.await.unwrap(),
        Answer::Refused(2_000, Some(18_000))
    );
    assert_eq!(both.await.unwrap(), Answer::Admitted(10_000));
    assert_eq!(later.await.unwrap(), Answer::Admitted(20_000));
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn of_several_refusing_rules_the_longest_wait_counts() {
    let limiter = limiter();
    let short = Rule::new("short", limits!("1/2s"), secs(1));
    let long = Rule::new("long", limits!("1/4s"), secs(4));
    let rules = [short.clone(), long.clone()];
    assert_eq!(
        answer(&limiter, &rules, WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    assert_eq!(
        answer(&limiter, &rules, WaitMode::Allowed).await,
        Answer::Admitted(4_000)
    );
    // A rule without a wait that refuses, refuses at once.
    let rules = [short.max_wait(Duration::ZERO), long];
    assert_eq!(
        answer(&limiter, &rules, WaitMode::Allowed).await,
        Answer::Refused(0, Some(4_000))
    );
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refund_lets_the_first_waiter_check_again() {
    let limiter = limiter();
    let rule = [Rule::new("model", limits!("1/minute"), secs(60))];
    let decision = request(&limiter, &rule, WaitMode::Allowed).await.unwrap();
    let waiter = send(&limiter, &rule).await;
    let next = send(&limiter, &rule).await;
    assert_eq!(next.await.unwrap(), Answer::Refused(0, Some(120_000)));
    sleep(secs(1)).await;
    limiter
        .refund(&[rule[0].charge()], decision.receipts())
        .await
        .unwrap();
    assert_eq!(waiter.await.unwrap(), Answer::Admitted(1_000));
    for clears in 0..2 {
        let waiter = send(&limiter, &rule).await;
        sleep(secs(1)).await;
        match clears {
            0 => limiter.clear("model", ()).await.unwrap(),
            _ => limiter.reset().await.unwrap(),
        }
        assert_eq!(waiter.await.unwrap(), Answer::Admitted(1_000));
    }
}

/// What frees no room for the waiter makes it wait longer, or refuses it as soon as that is known.
#[tokio::test(start_paused = true)]
async fn units_that_are_taken_outside_of_the_queue_delay_it() {
    let limiter = limiter();
    let patient = one_per_two_seconds(secs(60));
    let impatient = [patient.clone().max_wait(secs(5))];
    answer(&limiter, slice::from_ref(&patient), WaitMode::Allowed).await;
    let first = send(&limiter, slice::from_ref(&patient)).await;
    let second = send(&limiter, &impatient).await;
    sleep(secs(1)).await;
    // Two more units than fit: the first has its turn after 3 s, and the second after 5.
    let charge = [patient.charge()];
    limiter.decide(&charge, Action::Force).await.unwrap();
    assert_eq!(first.await.unwrap(), Answer::Admitted(3_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(5_000));
    let first = send(&limiter, slice::from_ref(&patient)).await;
    let second = send(&limiter, &impatient).await;
    sleep(secs(1)).await;
    limiter.decide(&charge, Action::Force).await.unwrap();
    sleep(millis(1_500)).await;
    limiter.decide(&charge, Action::Force).await.unwrap();
    // The first has its turn 4.5 s after it came, and so the second 6.5 s.
    assert_eq!(first.await.unwrap(), Answer::Admitted(4_500));
    assert_eq!(second.await.unwrap(), Answer::Refused(4_500, Some(2_000)));
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peek_is_refused_only_if_the_charge_could_not_wait() {
    let limiter = limiter();
    let rule = one_per_two_seconds(secs(5));
    let peek = async |mode| {
        let charge = [rule.charge().cost(0)];
        let decision = acquire(&limiter, &charge, Action::Peek, &[secs(5)], mode).await;
        let decision = decision.unwrap();
        (decision.is_allowed(), decision.retry_after())
    };
    let request = slice::from_ref(&rule);
    assert_eq!(peek(WaitMode::Allowed).await, (true, None));
    answer(&limiter, request, WaitMode::Allowed).await;
    assert_eq!(peek(WaitMode::Allowed).await, (true, None));
    let mut waiters = vec![send(&limiter, request).await];
    // Its turn is after 4 s, and not after 6.
    assert_eq!(peek(WaitMode::Allowed).await, (true, None));
    waiters.push(send(&limiter, request).await);
    assert_eq!(peek(WaitMode::Allowed).await, (false, Some(secs(6))));
    assert_eq!(peek(WaitMode::Never).await, (false, Some(secs(6))));
    assert_eq!(waiting(&limiter), 2);
    for waiter in waiters {
        assert!(matches!(waiter.await.unwrap(), Answer::Admitted(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_never_fits_does_not_wait() {
    let limiter = limiter();
    let rule = Rule::new("model", limits!("3/2s"), secs(60));
    let never = Answer::Refused(0, None);
    let too_large = [rule.clone().cost(4)];
    assert_eq!(answer(&limiter, &too_large, WaitMode::Allowed).await, never);
    answer(&limiter, &[rule.clone().cost(3)], WaitMode::Allowed).await;
    let _waiter = send(&limiter, slice::from_ref(&rule)).await;
    assert_eq!(answer(&limiter, &too_large, WaitMode::Allowed).await, never);
}

#[tokio::test(start_paused = true)]
async fn a_wait_may_be_longer_than_any_clock_can_tell() {
    let limiter = limiter();
    let rule = [one_per_two_seconds(Duration::MAX)];
    answer(&limiter, &rule, WaitMode::Allowed).await;
    let first = send(&limiter, &rule).await;
    let second = send(&limiter, &rule).await;
    assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(4_000));
}

#[test]
fn outside_of_a_runtime_a_request_is_refused_at_once() {
    let limiter = Limiter::new();
    let rule = [Rule::new("model", limits!("1/hour"), secs(7_200))];
    for is_allowed in [true, false] {
        let mut context = Context::from_waker(Waker::noop());
        let sent = pin!(request(&limiter, &rule, WaitMode::Allowed));
        let Poll::Ready(decision) = sent.poll(&mut context) else {
            unreachable!("it waits");
        };
        assert_eq!(decision.unwrap().is_allowed(), is_allowed);
    }
    assert_eq!(waiting(&limiter), 0);
}

/// Waiters of other costs and under other limits on one budget.
#[tokio::test(start_paused = true)]
async fn waiters_may_have_other_limits_on_the_budget() {
    let limiter = limiter();
    let (small, large) = (limits!("2/2s"), limits!("10/2s"));
    let small = Rule::new("model", small, secs(60));
    let large = Rule::new("model", large, secs(60));
    answer(&limiter, &[large.clone().cost(10)], WaitMode::Allowed).await;
    let first = send(&limiter, &[large.cost(9)]).await;
    let second = send(&limiter, &[small.cost(2)]).await;
    assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(4_000));
}

/// Answers after a few polls, as a store elsewhere does; counts in memory.
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
            let decision = self.memory.decide(charges, action).await;
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

    fn clear<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, ()> {
        let key = key.clone();
        Box::pin(self.memory.clear(scope, key))
    }

    fn reset(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.memory.reset())
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_checked_at_once_elsewhere_have_exact_turns() {
    let (limiter, store) = SlowStore::limiter();
    let mut requests = JoinSet::new();
    for number in 0..6 {
        let limiter = limiter.clone();
        let rule = [one_per_two_seconds(secs(5))];
        requests.spawn(async move { (number, answer(&limiter, &rule, WaitMode::Allowed).await) });
    }
    let mut answers = requests.join_all().await;
    answers.sort_by_key(|&(number, _)| number);
    let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
    use Answer::{Admitted, Refused};
    let refused = Refused(0, Some(6_000));
    assert_eq!(
        answers,
        [
            Admitted(0),
            Admitted(2_000),
            Admitted(4_000),
            refused.clone(),
            refused.clone(),
            refused,
        ]
    );
    assert_eq!(waiting(&limiter), 0);
    // A check for each, and one for each turn that was computed anew; nothing is polled.
    let asked = store.asked();
    assert!(asked <= 6 + 4 + 3 + 3 + 4, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_store_elsewhere_is_asked_at_a_turn_and_not_before() {
    let (limiter, store) = SlowStore::limiter();
    let rule = [Rule::new("model", limits!("1/minute"), secs(600))];
    answer(&limiter, &rule, WaitMode::Allowed).await;
    let first = send(&limiter, &rule).await;
    let second = send(&limiter, &rule).await;
    sleep(secs(50)).await;
    let before = store.asked();
    assert_eq!(first.await.unwrap(), Answer::Admitted(60_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(120_000));
    // One check for the first; for the second when it is the first, and at its turn.
    assert_eq!(store.asked() - before, 3);
}

/// While the store is being asked for the waiter ahead, a newcomer does not know whether the store
/// has counted that one already.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_being_checked_does_not_count_twice() {
    for delay in [0, 20] {
        let (limiter, store) = SlowStore::limiter();
        let rule = [one_per_two_seconds(secs(3))];
        for polls in 0..30 {
            answer(&limiter, &rule, WaitMode::Allowed).await;
            let first = send(&limiter, &rule).await;
            // In the middle of the check of the waiter, with each distance between the two. Where the
            // answer to it is slow, that to the other overtakes it.
            store.delay.store(delay, Ordering::Relaxed);
            sleep(secs(2)).await;
            for _ in 0..polls {
                yield_now().await;
            }
            store.delay.store(0, Ordering::Relaxed);
            let second = answer(&limiter, &rule, WaitMode::Allowed).await;
            assert_eq!(second, Answer::Admitted(2_000), "after {polls} polls");
            assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
            sleep(secs(2)).await;
        }
    }
}

/// A waiter whose turn is put off beyond its wait does not sit that out.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_pushed_back_is_refused_as_soon_as_it_is_too_late() {
    let limiter = limiter();
    let first = Rule::new("first", limits!("1/2s"), secs(60));
    let second = Rule::new("second", limits!("1/4s"), secs(60));
    answer(&limiter, slice::from_ref(&first), WaitMode::Allowed).await;
    let both = send(&limiter, &[first, second.clone()]).await;
    sleep(secs(1)).await;
    answer(&limiter, slice::from_ref(&second), WaitMode::Allowed).await;
    let pushed = send(&limiter, &[second.max_wait(secs(6))]).await;
    // A second later, the first of them moves ahead of it: its turn is 8 s after it came.
    assert_eq!(pushed.await.unwrap(), Answer::Refused(1_000, Some(7_000)));
    assert_eq!(both.await.unwrap(), Answer::Admitted(5_000));
}

/// The first waiter sleeps until its turn. Whoever sees that there is room before wakes it.
#[tokio::test(start_paused = true)]
async fn room_that_another_machine_makes_is_used_when_it_is_seen() {
    let (limiter, store) = SlowStore::limiter();
    let rule = [Rule::new("model", limits!("2/minute"), secs(90))];
    let charge = [rule[0].charge().cost(2)];
    store.memory.decide(&charge, Action::Consume).await.unwrap();
    let first = send(&limiter, &rule).await;
    sleep(secs(1)).await;
    store.memory.reset().await.unwrap();
    sleep(secs(1)).await;
    let newcomer = send(&limiter, &rule).await;
    assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(newcomer.await.unwrap(), Answer::Admitted(0));
}

/// A waiter sees room for all at the end of its wait, which is gone before the first one takes it.
#[tokio::test(start_paused = true)]
async fn a_waiter_whose_time_is_over_does_not_wait_for_the_next_turn_of_the_first() {
    for polls in 0..32 {
        let (limiter, store) = SlowStore::limiter();
        let rule = Rule::new("model", limits!("2/minute"), secs(300));
        let charge = [rule.charge().cost(2)];
        store.memory.decide(&charge, Action::Consume).await.unwrap();
        let _first = send(&limiter, slice::from_ref(&rule)).await;
        sleep(secs(30)).await;
        let second = send(&limiter, &[rule.clone().max_wait(secs(40))]).await;
        // Half a minute later, the turn of both is put off, and then all is cleared.
        sleep(secs(29)).await;
        store.memory.decide(&charge, Action::Force).await.unwrap();
        sleep(secs(10)).await;
        store.memory.reset().await.unwrap();
        sleep(secs(1)).await;
        for _ in 0..polls {
            yield_now().await;
        }
        store.memory.decide(&charge, Action::Force).await.unwrap();
        let answer = timeout(secs(1), second).await;
        assert!(answer.is_ok(), "after {polls} polls");
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

/// Drops a waiter after each number of polls, and expects the one behind it to be served as if it had
/// never been there.
async fn drop_at_every_poll(build: impl Fn() -> Limiter) {
    let mut polls = 1;
    let finished = loop {
        let limiter = build();
        let rules = [
            Rule::new("first", limits!("1/2s"), secs(60)),
            Rule::new("second", limits!("1/3s"), secs(60)),
        ];
        answer(&limiter, &rules[..1], WaitMode::Allowed).await;
        let start = Instant::now();
        let dropped = tokio::spawn({
            let (limiter, rules) = (limiter.clone(), rules.clone());
            DropAfter {
                future: Some(Box::pin(async move {
                    request(&limiter, &rules, WaitMode::Allowed).await.unwrap();
                })),
                polls,
            }
        });
        settle().await;
        // Now it has to move to the other queue at its turn.
        answer(&limiter, &rules[1..], WaitMode::Allowed).await;
        let behind = send(&limiter, &rules).await;
        let output = dropped.await.unwrap();
        let after_drop = start.elapsed();
        if output.is_some() {
            assert_eq!(after_drop, secs(3));
            break polls;
        }
        settle().await;
        assert_eq!(
            waiting(&limiter),
            usize::from(!behind.is_finished()),
            "after {polls} polls"
        );
        // It did not consume: the next is served when there is room for one.
        assert_eq!(
            behind.await.unwrap(),
            Answer::Admitted(3_000),
            "after {polls} polls"
        );
        assert_eq!(waiting(&limiter), 0, "after {polls} polls");
        polls += 1;
    };
    assert!(finished >= 3, "it never waited: {finished}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_at_any_poll_leaves_nothing_behind() {
    drop_at_every_poll(limiter).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_while_a_store_elsewhere_is_asked() {
    drop_at_every_poll(|| SlowStore::limiter().0).await;
}

/// The moment in which a waiter is woken and dropped before it runs.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_as_it_is_woken_wakes_the_next() {
    let limiter = limiter();
    let rule = [Rule::new("model", limits!("1/minute"), secs(600))];
    let decision = request(&limiter, &rule, WaitMode::Allowed).await.unwrap();
    let mut woken = Box::pin(request(&limiter, &rule, WaitMode::Allowed));
    assert!(timeout(millis(1), &mut woken).await.is_err());
    let next = send(&limiter, &rule).await;
    limiter
        .refund(&[rule[0].charge()], decision.receipts())
        .await
        .unwrap();
    drop(woken);
    // The refund is not lost: the other one has it at once.
    assert_eq!(next.await.unwrap(), Answer::Admitted(0));
    assert_eq!(waiting(&limiter), 0);
}

/// xorshift64*: the same sequence in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// The turn that a refused request is told is the moment from which a lone retry fits.
async fn turns_are_exact(strategies: &[Strategy], limits: &[Limits], equal_costs: bool) {
    let mut random = Random(0x5eed);
    for round in 0..120 {
        let pick = |random: &mut Random, len: usize| random.below(len as u64) as usize;
        let strategy = strategies[pick(&mut random, strategies.len())];
        let limits = limits[pick(&mut random, limits.len())];
        let rule = Rule::new("model", limits, secs(3_600)).strategy(strategy);
        let smallest = limits
            .iter()
            .map(|limit| strategy.capacity(*limit).get())
            .min();
        let largest = smallest.unwrap();
        let equal = 1 + random.below(largest);
        let cost = |random: &mut Random| match equal_costs {
            true => equal,
            false => 1 + random.below(largest),
        };
        let limiter = limiter();
        let mut waiters = Vec::new();
        for _ in 0..random.below(20) {
            sleep(millis(random.below(2) * random.below(1_000))).await;
            let cost = cost(&mut random);
            waiters.push(send(&limiter, &[rule.clone().cost(cost)]).await);
        }
        let own = [rule
            .clone()
            .cost(cost(&mut random))
            .max_wait(Duration::ZERO)];
        let start = Instant::now();
        let refused = match answer(&limiter, &own, WaitMode::Allowed).await {
            Answer::Refused(0, Some(turn)) => turn as u64,
            Answer::Admitted(0) => continue,
            answer => unreachable!("{answer:?}"),
        };
        let context = format!("round {round}: {strategy:?}, {limits}, {own:?}");
        let peek = async || {
            let charge = [own[0].charge()];
            limiter
                .decide(&charge, Action::Peek)
                .await
                .unwrap()
                .is_allowed()
        };
        sleep(millis(refused - 1)).await;
        settle().await;
        assert_eq!(start.elapsed(), millis(refused - 1));
        assert!(
            waiting(&limiter) > 0 || !peek().await,
            "too late: {context}"
        );
        sleep(millis(1)).await;
        settle().await;
        assert_eq!(waiting(&limiter), 0, "too early: {context}");
        assert!(peek().await, "too early: {context}");
        for waiter in waiters {
            assert!(
                matches!(waiter.await.unwrap(), Answer::Admitted(_)),
                "{context}"
            );
        }
    }
}

fn gcra(burst: u64) -> Strategy {
    let burst = NonZeroU64::new(burst).unwrap();
    Strategy::Gcra { burst }
}

#[tokio::test(start_paused = true)]
async fn turns_are_exact_for_equal_costs() {
    let limits = [
        limits!("1/2s"),
        limits!("2/1s"),
        limits!("5/10s"),
        limits!("8/1s"),
    ];
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        gcra(1),
        gcra(3),
        gcra(20),
    ];
    turns_are_exact(&strategies, &limits, true).await;
}

#[tokio::test(start_paused = true)]
async fn turns_are_exact_for_any_costs() {
    let limits = [
        limits!("2/1s"),
        limits!("5/10s"),
        limits!("8/1s"),
        limits!("20/4s"),
    ];
    let strategies = [Strategy::MovingWindow, gcra(1), gcra(3), gcra(20)];
    turns_are_exact(&strategies, &limits, false).await;
}

#[tokio::test(start_paused = true)]
async fn turns_are_exact_under_several_limits() {
    let limits = [
        limits!("1/1s; 2/10s"),
        limits!("2/1s; 5/4s; 12/20s"),
        limits!("3/2s; 4/3s"),
    ];
    turns_are_exact(&[Strategy::MovingWindow], &limits, false).await;
}

/// What was admitted in one budget: when, in milliseconds, and how much.
type Admissions = Arc<Mutex<Vec<(u128, u64)>>>;

/// Many requests under two rules, which come at random, cost at random, and are dropped at random.
async fn random_requests(seed: u64, limiter: Limiter, is_ordered: bool) {
    let mut random = Random(seed);
    let limits = [limits!("7/1s"), limits!("3/2s; 5/5s")];
    let admissions: Vec<Admissions> = (0..4).map(|_| Admissions::default()).collect();
    let mut requests = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..400 {
        let client = random.below(3) as usize;
        let max_wait = |random: &mut Random| [secs(0), secs(1), secs(6)][random.below(3) as usize];
        let cost = |random: &mut Random| 1 + random.below(3);
        let rules = [
            Rule::new("all", limits[0], max_wait(&mut random)).cost(cost(&mut random)),
            Rule::new("client", limits[1], max_wait(&mut random))
                .cost(cost(&mut random))
                .key(client as u64),
        ];
        let rules = match random.below(4) {
            0 => rules[..1].to_vec(),
            1 => rules[1..].to_vec(),
            _ => rules.to_vec(),
        };
        let gives_up = millis([10_000, random.below(3_000)][random.below(2) as usize]);
        let limiter = limiter.clone();
        let admissions = admissions.clone();
        requests.spawn(async move {
            let queues = limiter.wait_queues();
            let start = Instant::now();
            let arrival = Arrival(queues.next_arrival.load(Ordering::Relaxed));
            let sent = request(&limiter, &rules, WaitMode::Allowed);
            let Ok(decision) = timeout(gives_up, sent).await else {
                return;
            };
            let decision = decision.unwrap();
            let waited = start.elapsed();
            let longest = rules.iter().map(|rule| rule.max_wait).max().unwrap();
            assert!(waited <= longest, "waited for {waited:?} of {longest:?}");
            if !decision.is_allowed() {
                assert!(decision.retry_after().is_some());
                return;
            }
            for rule in &rules {
                // First come, first served: those that still wait in its queues came later.
                let key = QueueKey::of(&rule.charge());
                let ahead = queues.queues.lock().ahead_of(&key, arrival).count();
                assert!(
                    ahead == 0 || !is_ordered,
                    "overtook a waiter of {}",
                    rule.scope
                );
                let budget = match rule.scope {
                    "all" => 3,
                    _ => client,
                };
                let at = begin.elapsed().as_millis();
                admissions[budget].lock().push((at, rule.cost));
            }
        });
        if random.below(3) > 0 {
            sleep(millis(random.below(300))).await;
        }
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
    assert_eq!(waiting(&limiter), 0);
    for (budget, admitted) in admissions.iter().enumerate() {
        let admitted = admitted.lock();
        assert!(admitted.len() > 10, "{admitted:?}");
        for limit in &limits[usize::from(budget < 3)] {
            for &(from, _) in admitted.iter() {
                let window = from..from + u128::from(limit.window_millis());
                let within = admitted.iter().filter(|(at, _)| window.contains(at));
                let units: u64 = within.map(|&(_, cost)| cost).sum();
                assert!(units <= limit.count().get(), "{units} from {from} ms on");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_requests_keep_limits_and_order() {
    for seed in 1..=8 {
        random_requests(seed, limiter(), true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn random_requests_with_a_store_elsewhere() {
    // Checks that are under way at once have no order among them.
    for seed in 1..=4 {
        random_requests(seed, SlowStore::limiter().0, false).await;
    }
}

/// Real threads and real time: a wake-up that gets lost would leave a request waiting for 60 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_between_threads() {
    let limiter = Limiter::new();
    let mut requests = JoinSet::new();
    for number in 0..60_u64 {
        let limiter = limiter.clone();
        requests.spawn(async move {
            let mut random = Random(number + 1);
            for _ in 0..6 {
                let rule = Rule::new("model", limits!("12/4ms"), secs(60));
                let rule = [rule.cost(1 + random.below(3))];
                let sent = request(&limiter, &rule, WaitMode::Allowed);
                if random.below(4) == 0 {
                    // Dropped while it waits, or as it is woken.
                    let polls = 1 + random.below(3) as usize;
                    let future = Some(Box::pin(sent));
                    DropAfter { future, polls }.await;
                } else {
                    let decision = timeout(secs(30), sent).await.unwrap().unwrap();
                    assert!(decision.is_allowed());
                }
            }
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
    assert_eq!(waiting(&limiter), 0);
}
