//! The most frequent keys of a stream, in bounded memory.
//!
//! The space-saving algorithm of Metwally, Agrawal and El Abbadi, "Efficient Computation of
//! Frequent and Top-k Elements in Data Streams", ICDT 2005: `m` counters; a key that has none takes
//! that of the key with the smallest count, and continues from this count, which is noted as its
//! possible error. Of `n` events, each key with more than `n / m` of them has a counter.
//!
//! Each shard of threads has counters of its own, and a snapshot adds them up, which keeps the
//! bound (Agarwal et al., "Mergeable Summaries", PODS 2012). Within a shard, the counters are
//! relaxed atomics: threads of one shard that change the same counter at the same time may put an
//! event down to another key. No event takes a lock or an allocation.

use super::{
    key_digest::KeyDigest,
    shards::{shard_of_thread, shards},
};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// The number of counters in each shard.
const COUNTERS: usize = 32;

/// The keys with the most events.
#[derive(Debug)]
pub(super) struct SpaceSaving(Box<[[Counter; COUNTERS]]>);

#[derive(Debug, Default)]
struct Counter {
    /// The digest of the key. Zero for a counter that was never used.
    key: AtomicU64,
    count: AtomicU64,
    /// How much of the count may belong to earlier keys.
    error: AtomicU64,
}

/// A key and its number of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frequent {
    pub(super) key: KeyDigest,
    pub(super) count: u64,
    /// By how much the number of its events may differ from `count`.
    pub(super) error: u64,
}

impl SpaceSaving {
    pub(super) fn new() -> Self {
        Self((0..shards()).map(|_| Default::default()).collect())
    }

    /// Counts one event of a key.
    pub(super) fn record(&self, key: KeyDigest) {
        // The number of shards is a power of two.
        let shard = self.0.get(shard_of_thread() & (self.0.len() - 1));
        let Some(counters) = shard else { return };
        let key = key.get();
        let mut smallest = (u64::MAX, None);
        for counter in counters {
            if counter.key.load(Ordering::Relaxed) == key {
                counter.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let count = counter.count.load(Ordering::Relaxed);
            if count < smallest.0 {
                smallest = (count, Some(counter));
            }
        }
        if let (count, Some(counter)) = smallest {
            counter.key.store(key, Ordering::Relaxed);
            counter.error.store(count, Ordering::Relaxed);
            counter.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The keys with the most events, the most frequent first.
    pub(super) fn most_frequent(&self, keys: usize) -> Vec<Frequent> {
        let shards: Vec<HashMap<u64, (u64, u64)>> = self.0.iter().map(read).collect();
        // A key without a counter in a full shard may have had as many events there as the smallest
        // counter has.
        let missed = |shard: &HashMap<u64, (u64, u64)>| match shard.len() {
            COUNTERS => shard.values().map(|&(count, _)| count).min().unwrap_or(0),
            _ => 0,
        };
        let mut sums: HashMap<u64, (u64, u64)> = HashMap::new();
        for &key in shards.iter().flat_map(HashMap::keys) {
            sums.entry(key).or_insert_with(|| {
                shards.iter().fold((0, 0), |(counts, errors), shard| {
                    let missed = || (0, missed(shard));
                    let (count, error) = shard.get(&key).copied().unwrap_or_else(missed);
                    (counts + count, errors + error)
                })
            });
        }
        let of_sum = |(key, (count, error))| Frequent {
            key: KeyDigest::new(key),
            count,
            error,
        };
        let mut frequent: Vec<Frequent> = sums.into_iter().map(of_sum).collect();
        frequent.sort_unstable_by_key(|key| (u64::MAX - key.count, key.error, key.key.get()));
        frequent.truncate(keys);
        frequent
    }
}

/// The counters of a shard that are in use: count and possible error of each key.
fn read(counters: &[Counter; COUNTERS]) -> HashMap<u64, (u64, u64)> {
    let mut read: HashMap<u64, (u64, u64)> = HashMap::new();
    for counter in counters {
        let count = counter.count.load(Ordering::Relaxed);
        if count > 0 {
            let (counts, errors) = read.entry(counter.key.load(Ordering::Relaxed)).or_default();
            *counts += count;
            *errors += counter.error.load(Ordering::Relaxed);
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::random::Random;

    /// The paper's bounds, on one thread, beside exact counts.
    #[test]
    fn a_frequent_key_is_found_and_its_error_is_known() {
        let mut random = Random::new(17);
        for skew in 1..6_u32 {
            let sketch = SpaceSaving::new();
            let mut exact: HashMap<u64, u64> = HashMap::new();
            let events = 20_000_u64;
            for _ in 0..events {
                // A few keys of the range are drawn far more often than the others.
                let mut key = 1_000;
                for _ in 0..skew {
                    key = random.below(key) + 1;
                }
                sketch.record(KeyDigest::new(key));
                *exact.entry(key).or_default() += 1;
            }
            let found = sketch.most_frequent(usize::MAX);
            assert!(found.len() <= COUNTERS);
            let sum: u64 = found.iter().map(|key| key.count).sum();
            assert_eq!(sum, events, "the counts add up to the number of events");
            for key in &found {
                let exact = exact[&key.key.get()];
                assert!(key.count - key.error <= exact && exact <= key.count);
                assert!(key.error <= events / COUNTERS as u64);
            }
            for (key, count) in exact {
                let is_found = found.iter().any(|found| found.key.get() == key);
                assert!(
                    is_found || count <= events / COUNTERS as u64,
                    "{key}: {count}"
                );
            }
        }
    }

    #[test]
    fn shards_are_added_up() {
        let sketch = SpaceSaving::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                // One after the other: threads of one shard could otherwise miss an event.
                let record = || (0..10).for_each(|_| sketch.record(KeyDigest::new(7)));
                scope.spawn(record).join().unwrap();
            }
        });
        sketch.record(KeyDigest::new(8));
        let found = sketch.most_frequent(1);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].key.get(), found[0].count, found[0].error),
            (7, 40, 0)
        );
    }
}
