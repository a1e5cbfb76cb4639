//! Counters that threads share without waiting for each other.

use std::{
    cell::Cell,
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

/// The largest number of shards.
const MAX_SHARDS: usize = 16;

/// `N` counters, each the sum of one relaxed atomic number for each shard of threads.
///
/// To add takes no lock and no allocation. A sum that is read while threads add may miss what they
/// add at that moment; nothing is lost.
pub(super) struct Counters<const N: usize>(Box<[Shard<N>]>);

/// Aligned to two cache lines, which avoids false sharing (CPUs prefetch lines in pairs).
#[repr(align(128))]
struct Shard<const N: usize>([AtomicU64; N]);

impl<const N: usize> Counters<N> {
    pub(super) fn new() -> Self {
        let shards = (0..shards()).map(|_| Shard([const { AtomicU64::new(0) }; N]));
        Self(shards.collect())
    }

    /// Counters that count nothing, and whose sums are 0.
    pub(super) fn off() -> Self {
        Self(Box::default())
    }

    /// Adds 1 to a counter.
    #[inline]
    pub(super) fn add(&self, counter: usize) {
        // The number of shards is a power of two, or 0.
        let shard = self.0.get(shard_of_thread() & self.0.len().wrapping_sub(1));
        if let Some(counter) = shard.and_then(|shard| shard.0.get(counter)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The sum of each counter.
    pub(super) fn sums(&self) -> [u64; N] {
        let mut sums = [0_u64; N];
        for shard in &self.0 {
            for (sum, counter) in sums.iter_mut().zip(&shard.0) {
                *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
            }
        }
        sums
    }
}

impl<const N: usize> fmt::Debug for Counters<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counters").field(&self.sums()).finish()
    }
}

/// The number of shards, a power of two: at least one for each processor, up to a maximum.
pub(super) fn shards() -> usize {
    static SHARDS: OnceLock<usize> = OnceLock::new();
    *SHARDS.get_or_init(|| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        processors.next_power_of_two().min(MAX_SHARDS)
    })
}

thread_local! {
    // Constants without a destructor, so that an access is a plain load.
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    static CHECKS: Cell<u32> = const { Cell::new(0) };
}

/// The number of this thread, of which the low bits choose its shard. Threads are numbered in the
/// order of their first use of a counter, so neighbouring ones have different shards.
#[inline]
pub(super) fn shard_of_thread() -> usize {
    let shard = SHARD.get();
    if shard == usize::MAX {
        return choose_shard();
    }
    shard
}

#[cold]
fn choose_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let shard = NEXT.fetch_add(1, Ordering::Relaxed) & (usize::MAX >> 1);
    SHARD.set(shard);
    shard
}

/// Whether this call is the one of `period` calls on this thread that is sampled. `period` is a
/// power of two.
#[inline]
pub(super) fn is_sampled(period: u32) -> bool {
    let checks = CHECKS.get();
    CHECKS.set(checks.wrapping_add(1));
    checks & (period - 1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_threads_add_is_lost() {
        let counters = Counters::<3>::new();
        thread::scope(|scope| {
            for thread in 0..8 {
                let counters = &counters;
                scope.spawn(move || (0..1_000).for_each(|_| counters.add(thread % 2)));
            }
        });
        assert_eq!(counters.sums(), [4_000, 4_000, 0]);
        counters.add(3);
        assert_eq!(
            counters.sums(),
            [4_000, 4_000, 0],
            "there is no such counter"
        );
    }

    #[test]
    fn one_of_a_period_is_sampled() {
        let sampled = (0..640).filter(|_| is_sampled(64)).count();
        assert_eq!(sampled, 10);
    }
}
