//! The last refusals in a shard, for whoever asks the same again: they are read without the lock, so that a client
//! that keeps on knocking, on all cores at once, keeps nobody else waiting.
//!
//! A refused request changes nothing, so a refusal of one unit by one limit stands until its wait is over, with nothing
//! left, unless something else is done with the budget meanwhile. Whoever does that [forgets](Denial::forget) the
//! refusal before the shard's lock is given back.
//!
//! Writers are kept apart by the shard's lock. Readers follow them by a version, which is odd while one writes, as in
//! Linux's seqlocks; the words are atomic, so that what is read meanwhile is of no use but does no harm.

use super::identity::Owner;
use crate::{clock::Ticks, decision::Outcome, window::Strategy};
use limit_core::Limit;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The places for refusals of each shard; an owner has one of them, which it may have to share.
#[derive(Debug)]
pub(super) struct Denials(Box<[Denial]>);

/// How many places a shard has.
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

    /// Whatever is done in this shard from here on is not what was refused. Under the shard's lock.
    pub(super) fn forget(&self, shard: usize) {
        for denial in self.0.iter().skip(shard * EACH).take(EACH) {
            denial.forget();
        }
    }
}

/// One cache line, which its readers share.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Denial {
    version: AtomicU64,
    low: AtomicU64,
    high: AtomicU64,
    window: AtomicU64,
    count: AtomicU64,
    /// These are the clock's microseconds. Zero if there is nothing to repeat.
    until: AtomicU64,
    since: AtomicU64,
    reset_at: AtomicU64,
}

impl Denial {
    /// The same refusal: the microseconds until all is available again, and until something is.
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
        // The owner was read before the version: once more, then.
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

    /// Remembers a refusal of one unit that stands until its wait is over. Under the shard's lock.
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

    /// What is done with this owner's budgets from here on is not what was refused. Under the shard's lock.
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

/// What was asked, in two words: the window with the strategy above it, which is far shorter, and the count with the
/// burst. A burst is spread over the word by an odd factor, so that all bits of both tell pairs apart.
#[inline]
fn terms(limit: Limit, strategy: Strategy) -> (u64, u64) {
    (
        limit.window_millis() | u64::from(strategy.number()) << 60,
        limit.count().get() ^ strategy.burst().wrapping_mul(0x9E37_79B9_7F4A_7C15),
    )
}
