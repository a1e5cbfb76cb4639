//! Cache of the last denials of a shard, read without the shard's lock: a client that retries in a
//! loop on all cores does not delay other clients.
//!
//! A denied request changes nothing. So the denial of one unit by one limit holds until its
//! `retry_after` has passed, with `remaining` 0, unless the budget changes before. Code that
//! changes a budget [invalidates](Denial::forget) the denial before it releases the shard's lock.
//!
//! The cache is a seqlock: the shard's lock serializes writers, and a version, which is odd during
//! a write, lets readers detect one. All words are atomic, so a read during a write is discarded
//! and is not a data race.

use super::identity::Owner;
use crate::{clock::Ticks, decision::Outcome, window::Strategy};
use limit_core::Limit;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The cached denials of all shards. Each owner has one place in its shard, which others may share.
#[derive(Debug)]
pub(super) struct Denials(Box<[Denial]>);

/// The number of places of a shard.
const EACH: usize = 4;

impl Denials {
    pub(super) fn new(shards: usize) -> Self {
        Self((0..shards * EACH).map(|_| Denial::default()).collect())
    }

    /// The place of an owner in its shard.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "two bits are wanted")]
    pub(super) fn of(&self, shard: usize, owner: Owner) -> Option<&Denial> {
        self.0.get(shard * EACH + owner.low as usize % EACH)
    }

    /// Invalidates all cached denials of the shard. The caller holds the shard's lock.
    pub(super) fn forget(&self, shard: usize) {
        for denial in self.0.iter().skip(shard * EACH).take(EACH) {
            denial.forget();
        }
    }
}

/// One cached denial, in one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Denial {
    version: AtomicU64,
    low: AtomicU64,
    high: AtomicU64,
    window: AtomicU64,
    count: AtomicU64,
    /// Microseconds of the clock. 0 if there is no denial.
    until: AtomicU64,
    since: AtomicU64,
    reset_at: AtomicU64,
}

impl Denial {
    /// The microseconds until everything and until one unit is available again.
    #[inline(always)]
    pub(super) fn repeat(
        &self,
        owner: Owner,
        limit: Limit,
        strategy: Strategy,
        reading: Ticks,
    ) -> Option<(u64, u64)> {
        if self.low.load(Ordering::Relaxed) != owner.low {
            return None;
        }
        let version = self.version.load(Ordering::Acquire);
        let [high, window, count, until, since, reset_at] = [
            &self.high,
            &self.window,
            &self.count,
            &self.until,
            &self.since,
            &self.reset_at,
        ]
        .map(|word| word.load(Ordering::Relaxed));
        // The owner was read before the version, so compare it again.
        let low = self.low.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        if version % 2 == 1 || self.version.load(Ordering::Relaxed) != version {
            return None;
        }
        let now = reading.as_micros();
        let is_same =
            (low, high) == (owner.low, owner.high) && (window, count) == terms(limit, strategy);
        (is_same && since <= now && now < until).then(|| (reset_at - now, until - now))
    }

    /// Stores a denial of one unit that holds until its wait is over. The caller holds the shard's
    /// lock.
    #[cold]
    pub(super) fn remember(
        &self,
        owner: Owner,
        strategy: Strategy,
        outcome: &Outcome,
        reading: Ticks,
    ) {
        let now = reading.as_micros();
        let (window, count) = terms(outcome.limit(), strategy);
        self.write(|| {
            for (word, value) in [
                (&self.low, owner.low),
                (&self.high, owner.high),
                (&self.window, window),
                (&self.count, count),
                (
                    &self.until,
                    now.saturating_add(outcome.retry_after_micros()),
                ),
                (&self.since, now),
                (
                    &self.reset_at,
                    now.saturating_add(outcome.reset_after_micros()),
                ),
            ] {
                word.store(value, Ordering::Relaxed);
            }
        });
    }

    /// Invalidates the cached denial of this owner. The caller holds the shard's lock.
    #[inline]
    pub(super) fn forget_if_of(&self, owner: Owner) {
        if self.low.load(Ordering::Relaxed) == owner.low {
            self.forget();
        }
    }

    fn forget(&self) {
        if self.until.load(Ordering::Relaxed) > 0 {
            self.write(|| self.until.store(0, Ordering::Relaxed));
        }
    }

    fn write(&self, words: impl FnOnce()) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        words();
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }
}

/// Limit and strategy in two words: the window with the strategy in its unused upper bits, and the
/// count combined with the burst. The burst is multiplied by an odd number, which spreads it over
/// all bits.
#[inline]
fn terms(limit: Limit, strategy: Strategy) -> (u64, u64) {
    (
        limit.window_millis() | u64::from(strategy.number()) << 60,
        limit.count().get() ^ strategy.burst().wrapping_mul(0x9E37_79B9_7F4A_7C15),
    )
}
