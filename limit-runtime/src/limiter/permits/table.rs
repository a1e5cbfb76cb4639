//! The number of requests in flight by budget, and the queue of each budget.

use crate::{
    key::{IntoKey, Key},
    store::Scope,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// A power of two.
const SHARDS: usize = 16;

/// The permits of a limiter that are held in this process.
///
/// A budget has an entry only while a permit of it is held or a request waits for one, so the size
/// is bounded by the number of requests in flight.
#[derive(Default)]
pub(crate) struct Permits {
    shards: [Mutex<HashMap<Budget, Entry>>; SHARDS],
    hasher: RandomState,
    next_arrival: AtomicU64,
    in_flight: AtomicU64,
}

/// The budget of a concurrency limit: scope and key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget(Key);

/// The number of a request, in order of the first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival(u64);

#[derive(Debug, Default)]
struct Entry {
    held: u64,
    waiters: BTreeMap<Arrival, Arc<Notify>>,
}

impl Budget {
    pub(super) fn new(scope: Scope<'_>, key: &Key) -> Self {
        let [name, rule, route] = scope.texts();
        Self(((name, rule, route), key.clone()).into_key())
    }
}

impl Permits {
    /// The number of permits that are held in this process.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn next_arrival(&self) -> Arrival {
        Arrival(self.next_arrival.fetch_add(1, Ordering::Relaxed))
    }

    fn shard(&self, budget: &Budget) -> &Mutex<HashMap<Budget, Entry>> {
        // Truncated on purpose: the hash has more bits than there are shards.
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits matter")]
        let index = self.hasher.hash_one(budget) as usize % SHARDS;
        &self.shards[index]
    }

    /// Takes a permit if fewer than `max` are held, and no earlier request waits for one. A request
    /// that waits stays in the queue.
    pub(super) fn try_take(&self, budget: &Budget, max: u64, arrival: Arrival) -> bool {
        let mut shard = self.shard(budget).lock();
        let entry = match shard.get_mut(budget) {
            Some(entry) => entry,
            None => shard.entry(budget.clone()).or_default(),
        };
        let is_first = entry
            .waiters
            .first_key_value()
            .is_none_or(|(&first, _)| first >= arrival);
        if entry.held >= max || !is_first {
            return false;
        }
        entry.held += 1;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether `max` permits are held.
    pub(super) fn is_full(&self, budget: &Budget, max: u64) -> bool {
        let shard = self.shard(budget).lock();
        shard.get(budget).is_some_and(|entry| entry.held >= max)
    }

    /// Gives a permit back, and wakes the first waiter, unless that is `except`.
    pub(super) fn release(&self, budget: &Budget, except: Option<Arrival>) {
        let mut shard = self.shard(budget).lock();
        if let Some(entry) = shard.get_mut(budget) {
            entry.held = entry.held.saturating_sub(1);
            entry.wake_first(except);
            if entry.is_unused() {
                shard.remove(budget);
            }
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Joins the queue in order of arrival. Returns `None` if it has `max_len` waiters.
    pub(super) fn join(
        &self,
        budget: &Budget,
        arrival: Arrival,
        max_len: usize,
    ) -> Option<Arc<Notify>> {
        let mut shard = self.shard(budget).lock();
        let waiting = shard.get(budget).map_or(0, |entry| entry.waiters.len());
        if waiting >= max_len {
            return None;
        }
        let entry = shard.entry(budget.clone()).or_default();
        let wake = Arc::new(Notify::new());
        // Looks once more: a permit may have been released since the last attempt.
        wake.notify_one();
        entry.waiters.insert(arrival, wake.clone());
        Some(wake)
    }

    /// Leaves the queue, and wakes the next waiter.
    pub(super) fn leave(&self, budget: &Budget, arrival: Arrival) {
        let mut shard = self.shard(budget).lock();
        if let Some(entry) = shard.get_mut(budget) {
            entry.waiters.remove(&arrival);
            // There may be room for more than this one.
            entry.wake_first(None);
            if entry.is_unused() {
                shard.remove(budget);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self, budget: &Budget) -> usize {
        let shard = self.shard(budget).lock();
        shard.get(budget).map_or(0, |entry| entry.waiters.len())
    }
}

impl Entry {
    fn wake_first(&self, except: Option<Arrival>) {
        if let Some((arrival, wake)) = self.waiters.first_key_value()
            && Some(*arrival) != except
        {
            wake.notify_one();
        }
    }

    fn is_unused(&self) -> bool {
        self.held == 0 && self.waiters.is_empty()
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits")
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
