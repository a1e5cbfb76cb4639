//! The last refusal in a shard, for whoever asks the same again: it is read without the lock, so that a client
//! that keeps on knocking, on all cores at once, keeps nobody else waiting.
//!
//! A refused request changes nothing, so a refusal of one unit by one limit stands until the oldest hit leaves,
//! unless something else is done with the budget meanwhile. Whoever does that, under the shard's lock,
//! [forgets](Denial::forget) the refusal first.
//!
//! Writers are kept apart by the shard's lock. Readers follow them by a version, which is odd while one writes, as in
//! Linux's seqlocks; the words are atomic, so that what is read meanwhile is of no use but does no harm.

use super::identity::Owner;
use crate::{clock::Ticks, decision::Outcome};
use limit_core::Limit;
use std::sync::atomic::{AtomicU64, Ordering, fence};

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
    /// The same refusal, as it stands now.
    #[inline]
    pub(super) fn repeat(&self, owner: Owner, limit: Limit, reading: Ticks) -> Option<Outcome> {
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
        let is_same = (low, high) == (owner.low, owner.high)
            && window == limit.window_millis()
            && count == u64::from(limit.count().get());
        (is_same && since <= now && now < until)
            .then(|| Outcome::allowed(limit, 0, reset_at - now).refused(until - now))
    }

    /// Remembers a refusal of one unit that stands until its wait is over. Under the shard's lock.
    #[cold]
    pub(super) fn remember(&self, owner: Owner, outcome: &Outcome, reading: Ticks) {
        let (limit, now) = (outcome.limit(), reading.as_micros());
        self.write(|| {
            for (word, value) in [
                (&self.low, owner.low),
                (&self.high, owner.high),
                (&self.window, limit.window_millis()),
                (&self.count, limit.count().get().into()),
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

    /// The same for whatever was refused.
    #[cold]
    pub(super) fn forget(&self) {
        self.write(|| self.until.store(0, Ordering::Relaxed));
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
