//! The data structure of the wait queues: the waiters of each budget, in order of arrival.

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
    pub(super) next_arrival: AtomicU64,
    /// Number of waiters in all queues. Written under the lock, read without it.
    pub(super) waiting: AtomicUsize,
    pub(super) queues: Mutex<Queues>,
}

/// The budget of a queue: scope, key and strategy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct QueueKey(Key);

/// The number of a request, counted by limiter, in order of the first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival(pub(super) u64);

/// The queues with at least one waiter. An empty queue is removed.
#[derive(Debug, Default)]
pub(super) struct Queues(pub(super) HashMap<QueueKey, Queue>);

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiters: BTreeMap<Arrival, Waiter>,
    /// Notified when the check of a waiter of this queue is complete.
    check_done: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct Waiter {
    /// Units that the waiter is going to consume.
    pub(super) cost: u64,
    /// The end of its `wait`. `None` if the clock cannot represent that time.
    pub(super) deadline: Option<Instant>,
    /// Whether a check by the store is under way. Until it completes, it is not known whether the
    /// store has counted the cost.
    pub(super) is_checking: bool,
    pub(super) wake: Arc<Notify>,
}

/// A waiter that arrived before a request, and the units that the waiter is going to consume.
pub(super) type EarlierWaiter = (Arrival, u64);

/// A place in a queue. Dropping the permit leaves the queue and wakes the next waiter.
#[derive(Debug)]
pub(super) struct QueuePermit<'a> {
    pub(super) queues: &'a WaitQueues,
    pub(super) key: QueueKey,
    pub(super) arrival: Arrival,
    pub(super) wake: Arc<Notify>,
}

impl WaitQueues {
    /// Whether requests wait for the budget of one of `charges`. Costs one atomic load if no queue
    /// has waiters.
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

    /// Wakes the first waiter of each of these budgets after a refund, to check again.
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

    /// Wakes the first waiter of every queue after a reset, to check again.
    pub(crate) fn wake_first_of_all(&self) {
        for queue in self.queues.lock().0.values() {
            queue.wake_first();
        }
    }

    pub(super) fn next_arrival(&self) -> Arrival {
        Arrival(self.next_arrival.fetch_add(1, Ordering::Relaxed))
    }

    /// Adds a waiter to a queue.
    pub(super) fn insert(
        &self,
        queues: &mut Queues,
        key: QueueKey,
        arrival: Arrival,
        waiter: Waiter,
    ) {
        let queue = queues.0.entry(key).or_default();
        queue.waiters.insert(arrival, waiter);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Later waiters now wait longer than they computed, perhaps beyond their deadline.
        for later in queue.waiters_after(arrival) {
            later.wake.notify_one();
        }
    }

    /// Removes a waiter from its queue, and the queue if it is empty then.
    pub(super) fn remove(
        &self,
        queues: &mut Queues,
        key: &QueueKey,
        arrival: Arrival,
    ) -> Option<Waiter> {
        let queue = queues.0.get_mut(key)?;
        let is_first = queue.is_first(arrival);
        let waiter = queue.waiters.remove(&arrival)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if waiter.is_checking {
            queue.check_done.notify_waiters();
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
    pub(super) fn of(charge: &Charge<'_>) -> Self {
        let Charge {
            scope,
            key,
            strategy,
            ..
        } = charge;
        let strategy = u64::from(strategy.number());
        let [name, rule, route] = scope.texts();
        Self(((name, rule, route), (*key).clone(), strategy).into_key())
    }
}

impl Queues {
    /// The waiters of a queue that arrived before `arrival`, in order.
    pub(super) fn waiters_before(
        &self,
        key: &QueueKey,
        arrival: Arrival,
    ) -> impl Iterator<Item = (Arrival, &Waiter)> {
        let queue = self.0.get(key).into_iter();
        queue
            .flat_map(move |queue| queue.waiters.range(..arrival))
            .map(|(&arrival, waiter)| (arrival, waiter))
    }

    pub(super) fn waiter(&mut self, key: &QueueKey, arrival: Arrival) -> Option<&mut Waiter> {
        self.0.get_mut(key)?.waiters.get_mut(&arrival)
    }

    pub(super) fn len(&self, key: &QueueKey) -> usize {
        self.0.get(key).map_or(0, |queue| queue.waiters.len())
    }

    /// Records that the check of this waiter is complete, if one was under way.
    pub(super) fn end_check(&mut self, key: &QueueKey, arrival: Arrival) {
        if let Some(queue) = self.0.get_mut(key)
            && let Some(waiter) = queue.waiters.get_mut(&arrival)
            && std::mem::take(&mut waiter.is_checking)
        {
            queue.check_done.notify_waiters();
        }
    }

    /// If the check of an earlier waiter is under way: a future that is ready when a check of this
    /// queue is complete.
    pub(super) fn earlier_check_done(
        &self,
        key: &QueueKey,
        arrival: Arrival,
    ) -> Option<OwnedNotified> {
        let mut earlier = self.waiters_before(key, arrival);
        let queue = self.0.get(key)?;
        earlier
            .any(|(_, waiter)| waiter.is_checking)
            .then(|| queue.check_done.clone().notified_owned())
    }

    /// How long a waiter sleeps unless it is woken; `None` for no time limit.
    ///
    /// `wait` is the time until it can be admitted. The first waiter sleeps for that time, the
    /// others until their deadline. If the wait is zero, there is room for all waiters up to this
    /// one, and the first one is woken to consume it. The others then wait for their predecessors
    /// even if their deadline has passed.
    pub(super) fn sleep_time(
        &self,
        key: &QueueKey,
        arrival: Arrival,
        wait: Duration,
    ) -> Option<Duration> {
        let queue = self.0.get(key)?;
        let now = Instant::now();
        if queue.is_first(arrival) {
            // They expected that this waiter consumes at once. It sleeps instead, so they have to
            // check again.
            let is_overdue = |waiter: &&Waiter| waiter.deadline.is_some_and(|end| end <= now);
            for later in queue.waiters_after(arrival).filter(is_overdue) {
                later.wake.notify_one();
            }
            return Some(wait);
        }
        if wait.is_zero() {
            queue.wake_first();
        }
        let deadline = queue.waiters.get(&arrival)?.deadline?;
        let remaining = deadline.saturating_duration_since(now);
        (!remaining.is_zero()).then_some(remaining)
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

    /// The waiters that arrived after `arrival`, in order.
    fn waiters_after(&self, arrival: Arrival) -> impl Iterator<Item = &Waiter> {
        let later = self.waiters.range((Excluded(arrival), Unbounded));
        later.map(|(_, waiter)| waiter)
    }
}

impl Drop for QueuePermit<'_> {
    fn drop(&mut self) {
        let mut queues = self.queues.queues.lock();
        self.queues.remove(&mut queues, &self.key, self.arrival);
    }
}
