//! When to look for expired entries although there are no new keys.

use crate::clock::Ticks;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// When the next slice of the tables is looked at, and where it is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The clock's millisecond in which the last slice was looked at, or [`DUE`].
    last: AtomicU64,
    /// The shard where the next slice is.
    shard: AtomicUsize,
    /// How many more places to look at without a pause, because many were found to be expired.
    credit: AtomicUsize,
}

/// The next check looks at a slice, because the last one had many expired entries.
const DUE: u64 = u64::MAX;

/// The number of places that are worth looking at for each expired entry that is found.
const WORTH: usize = 8;
/// The largest number of places to look at after the last expired entry.
const MOST_CREDIT: usize = 1 << 17;

/// The number of shards that a slice reaches into while there is much to remove.
const MANY_SHARDS: usize = 8;

impl Sweep {
    /// Whether a check at this time has to look at a slice: the first of each millisecond, and
    /// every one while there is much to remove, so that the memory of a flood is returned by a few
    /// thousand checks.
    #[inline]
    pub(super) fn is_due(&self, reading: Ticks) -> bool {
        self.last.load(Ordering::Relaxed) != millis(reading)
    }

    /// The number of shards that the slice may reach into. Zero if another thread looks at it.
    pub(super) fn begin(&self, reading: Ticks) -> usize {
        let millis = millis(reading);
        match self.last.swap(millis, Ordering::Relaxed) {
            last if last == millis => 0,
            DUE => MANY_SHARDS,
            _ => 1,
        }
    }

    /// The shard where the slice is, of `shards` shards.
    pub(super) fn shard(&self, shards: usize) -> usize {
        self.shard.load(Ordering::Relaxed) % shards.max(1)
    }

    /// Goes on to the next shard.
    pub(super) fn advance(&self) {
        self.shard.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how many places of a slice were looked at, and how many entries of them had expired.
    /// While these are many, the next check has to look at a slice as well.
    pub(super) fn finish(&self, looked: usize, expired: usize) {
        let credit = self.credit.load(Ordering::Relaxed) + WORTH * expired;
        let credit = credit.min(MOST_CREDIT).saturating_sub(looked.max(1));
        self.credit.store(credit, Ordering::Relaxed);
        if credit > 0 {
            self.last.store(DUE, Ordering::Relaxed);
        }
    }
}

/// The millisecond of a time, nearly: a shift is cheaper than a division.
#[inline]
fn millis(reading: Ticks) -> u64 {
    reading.as_micros() >> 10
}
