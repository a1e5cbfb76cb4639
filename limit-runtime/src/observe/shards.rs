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

/// One of this many calls on a thread is sampled. A power of two.
const BLOCK: u32 = 64;

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

    /// Counters that stay at 0.
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
    static CALLS: Cell<u32> = const { Cell::new(0) };
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

/// Whether this call is the one of each block of [`BLOCK`] calls on this thread that is sampled.
/// Its place in the block differs, so that of calls in turns each is sampled.
#[inline]
pub(super) fn is_sampled() -> bool {
    let calls = CALLS.get();
    CALLS.set(calls.wrapping_add(1));
    calls % BLOCK == sampled_place(calls / BLOCK)
}

/// Makes the next [`is_sampled`] on this thread return what the last one did.
pub(super) fn repeat_sample() {
    CALLS.set(CALLS.get().wrapping_sub(1));
}

/// The place of the sampled call in a block, by multiplicative hashing (Knuth, "The Art of Computer
/// Programming", volume 3, section 6.4): the highest bits of a multiple of 2^32 divided by the
/// golden ratio. The first call on a thread is sampled.
#[inline]
const fn sampled_place(block: u32) -> u32 {
    block.wrapping_mul(0x9E37_79B9) >> (u32::BITS - BLOCK.trailing_zeros())
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
    fn one_of_a_block_is_sampled_and_each_of_those_that_take_turns() {
        for turns in 1..=16 {
            let mut sampled = vec![0; turns];
            thread::scope(|scope| {
                scope.spawn(|| {
                    for call in 0..6_400 {
                        sampled[call % turns] += usize::from(is_sampled());
                    }
                });
            });
            assert_eq!(sampled.iter().sum::<usize>(), 100);
            assert!(sampled.iter().all(|&count| count > 0), "{sampled:?}");
        }
    }

    #[test]
    fn a_repeated_sample_is_the_same() {
        for _ in 0..640 {
            let sampled = is_sampled();
            repeat_sample();
            assert_eq!(is_sampled(), sampled);
        }
    }
}
