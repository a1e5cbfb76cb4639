//! Incremental removal of expired cells when there are no new keys: at most one slice per
//! millisecond.

use super::MemoryStore;
use crate::clock::Ticks;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Cells per slice: about one microsecond of work.
const SLICE: usize = 512;

#[derive(Default)]
pub(super) struct Sweep {
    /// The clock's millisecond in which the last slice was done.
    last: AtomicU64,
    /// The shard where the next one is.
    shard: AtomicUsize,
}

impl MemoryStore {
    /// The first check of each millisecond scans a slice of one shard, if its lock is free, and
    /// removes the expired cells.
    #[inline]
    pub(super) fn sweep_if_due(&self, reading: Ticks) {
        let millis = reading.as_micros() / 1_000;
        if self.sweep.0.last.load(Ordering::Relaxed) != millis {
            self.sweep(millis);
        }
    }

    #[cold]
    fn sweep(&self, millis: u64) {
        let sweep = &self.sweep.0;
        if sweep.last.swap(millis, Ordering::Relaxed) == millis {
            return;
        }
        let index = sweep.shard.load(Ordering::Relaxed) % self.shards.len();
        let Some(mut shard) = self.shards[index].0.try_lock() else {
            sweep.shard.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let now = shard.now(self.clock.now());
        let now = now.unwrap_or_else(|| self.step_back(index, &mut shard));
        let dropped = shard.evict(now, SLICE);
        self.release(dropped);
        if shard.is_swept() {
            sweep.shard.fetch_add(1, Ordering::Relaxed);
        }
    }
}
