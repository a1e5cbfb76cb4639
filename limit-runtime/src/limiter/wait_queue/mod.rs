//! FIFO wait queues: requests that wait for room in a budget instead of being refused.
//!
//! - A budget has a queue only while requests wait in it. A request waits in one queue at a time:
//!   that of the rule with the longest wait.
//! - Order is by arrival, which is numbered once per request. A request may consume only if no
//!   earlier arrival waits in the queue of any of its budgets. The earliest waiter of all is never
//!   held back by another, so queues cannot block each other in a circle.
//! - Nothing is handed over: a waiter that is woken looks at the queues and asks the store again. A
//!   waiter that is dropped leaves its queue and wakes the next one, so no wake-up is lost.
//!
//! [`acquire`] is what a request does, [`turn`] computes when its turn is.

mod acquire;
mod turn;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "these are tests, with small numbers"
)]
mod tests;

pub(crate) use self::acquire::{WaitMode, acquire, may_wait, refused_now};

use crate::{
    key::{IntoKey, Key},
    store::Charge,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Excluded, Unbounded},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

/// The wait queues of a limiter.
#[derive(Debug, Default)]
pub(crate) struct WaitQueues {
    next_arrival: AtomicU64,
    /// Number of waiters in all queues. Written under the lock, read without it.
    waiting: AtomicUsize,
    queues: Mutex<Queues>,
}

/// A budget: scope, key and strategy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct QueueKey(Key);

/// Position of a request among all requests of a limiter, in order of their first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival(u64);

/// Queues that have waiters; the others are not kept.
#[derive(Debug, Default)]
struct Queues(HashMap<QueueKey, Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiters: BTreeMap<Arrival, Waiter>,
    /// Notified when the store has answered a waiter of this queue.
    answered: Arc<Notify>,
}

#[derive(Debug)]
struct Waiter {
    /// Units that it is going to consume.
    cost: u64,
    /// When its `wait` is over; `None` if that is beyond what the clock can represent.
    deadline: Option<Instant>,
    /// Whether the store is being asked to consume, so that it may or may not have counted the cost.
    is_checking: bool,
    wake: Arc<Notify>,
}

/// A waiter in front of a request, and the units that it is going to consume.
type AheadWaiter = (Arrival, u64);

/// A place in a queue. Dropping it leaves the queue and wakes the next waiter.
#[derive(Debug)]
struct QueuePermit<'a> {
    queues: &'a WaitQueues,
    key: QueueKey,
    arrival: Arrival,
    wake: Arc<Notify>,
}

impl WaitQueues {
    /// Whether requests wait for the budget of one of `charges`. One load if nothing waits at all.
    #[inline]
    pub(crate) fn has_waiters(&self, charges: &[Charge<'_>]) -> bool {
        !self.is_empty() && self.has_queue(charges)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    #[cold]
    fn has_queue(&self, charges: &[Charge<'_>]) -> bool {
        let keys = charges.iter().map(QueueKey::of);
        let queues = self.queues.lock();
        keys.into_iter().any(|key| queues.0.contains_key(&key))
    }

    /// Lets the first waiter for each of these budgets check again: units have been given back.
    pub(crate) fn wake_first_of(&self, charges: &[Charge<'_>]) {
        if self.is_empty() {
            return;
        }
        for charge in charges {
            let key = QueueKey::of(charge);
            if let Some(queue) = self.queues.lock().0.get(&key) {
                queue.wake_first();
            }
        }
    }

    /// Lets the first waiter of every queue check again: budgets have been cleared.
    pub(crate) fn wake_first_of_all(&self) {
        for queue in self.queues.lock().0.values() {
            queue.wake_first();
        }
    }

    fn next_arrival(&self) -> Arrival {
        Arrival(self.next_arrival.fetch_add(1, Ordering::Relaxed))
    }

    /// Adds a waiter to a queue.
    fn insert(&self, queues: &mut Queues, key: QueueKey, arrival: Arrival, waiter: Waiter) {
        let queue = queues.0.entry(key).or_default();
        queue.waiters.insert(arrival, waiter);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The turns of those behind are later than they were told.
        for behind in queue.behind(arrival) {
            behind.wake.notify_one();
        }
    }

    /// Removes a waiter, and its queue if it was the last one.
    fn remove(&self, queues: &mut Queues, key: &QueueKey, arrival: Arrival) -> Option<Waiter> {
        let queue = queues.0.get_mut(key)?;
        let is_first = queue.is_first(arrival);
        let waiter = queue.waiters.remove(&arrival)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if waiter.is_checking {
            queue.answered.notify_waiters();
        }
        if is_first {
            queue.wake_first();
        }
        if queue.waiters.is_empty() {
            queues.0.remove(key);
        }
        Some(waiter)
    }
}

impl QueueKey {
    fn of(charge: &Charge<'_>) -> Self {
        let Charge {
            scope,
            key,
            strategy,
            ..
        } = charge;
        let strategy = u64::from(strategy.number());
        let scope = (scope.name, scope.rule, scope.route);
        Self((scope, (*key).clone(), strategy).into_key())
    }
}

impl Queues {
    /// Waiters of the queue that arrived before `arrival`, first to last.
    fn ahead_of(
        &self,
        key: &QueueKey,
        arrival: Arrival,
    ) -> impl Iterator<Item = (Arrival, &Waiter)> {
        let queue = self.0.get(key).into_iter();
        queue
            .flat_map(move |queue| queue.waiters.range(..arrival))
            .map(|(&arrival, waiter)| (arrival, waiter))
    }

    fn waiter(&mut self, key: &QueueKey, arrival: Arrival) -> Option<&mut Waiter> {
        self.0.get_mut(key)?.waiters.get_mut(&arrival)
    }

    fn len(&self, key: &QueueKey) -> usize {
        self.0.get(key).map_or(0, |queue| queue.waiters.len())
    }

    /// Notes that the store has answered this waiter, if it was being asked.
    fn end_check(&mut self, key: &QueueKey, arrival: Arrival) {
        if let Some(queue) = self.0.get_mut(key)
            && let Some(waiter) = queue.waiters.get_mut(&arrival)
            && std::mem::take(&mut waiter.is_checking)
        {
            queue.answered.notify_waiters();
        }
    }

    /// The next answer of the store to a waiter ahead, if it is being asked.
    fn answer_ahead(&self, key: &QueueKey, arrival: Arrival) -> Option<OwnedNotified> {
        let mut ahead = self.ahead_of(key, arrival);
        let queue = self.0.get(key)?;
        ahead
            .any(|(_, waiter)| waiter.is_checking)
            .then(|| queue.answered.clone().notified_owned())
    }

    /// How long this waiter sleeps unless it is woken; `None` for as long as it takes.
    ///
    /// The first one sleeps until its turn, the others until their `wait` is over. Where there is
    /// room for all of them, the first one is woken to take it, and the others wait for that even if
    /// their time is over.
    fn wait_limit(&self, key: &QueueKey, arrival: Arrival, turn: Duration) -> Option<Duration> {
        let queue = self.0.get(key)?;
        let now = Instant::now();
        if queue.is_first(arrival) {
            let is_overdue = |waiter: &&Waiter| waiter.deadline.is_some_and(|end| end <= now);
            for behind in queue.behind(arrival).filter(is_overdue) {
                behind.wake.notify_one();
            }
            return Some(turn);
        }
        if turn.is_zero() {
            queue.wake_first();
        }
        let deadline = queue.waiters.get(&arrival)?.deadline?;
        let left = deadline.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

impl Queue {
    fn is_first(&self, arrival: Arrival) -> bool {
        self.waiters
            .first_key_value()
            .is_some_and(|(&first, _)| first == arrival)
    }

    fn wake_first(&self) {
        if let Some((_, first)) = self.waiters.first_key_value() {
            first.wake.notify_one();
        }
    }

    /// Waiters that arrived after `arrival`.
    fn behind(&self, arrival: Arrival) -> impl Iterator<Item = &Waiter> {
        let behind = self.waiters.range((Excluded(arrival), Unbounded));
        behind.map(|(_, waiter)| waiter)
    }
}

impl Drop for QueuePermit<'_> {
    fn drop(&mut self) {
        let mut queues = self.queues.queues.lock();
        self.queues.remove(&mut queues, &self.key, self.arrival);
    }
}
