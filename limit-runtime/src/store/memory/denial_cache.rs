//! Cache of the last denials of a shard, read without the shard's lock: a client that retries in a
//! loop on all cores does not delay other clients.
//!
//! A denied request changes nothing. So the denial of one unit by one limit holds until its
//! `retry_after` has passed, with `remaining` 0, unless the budget changes before. Code that
//! changes a budget [invalidates](CachedDenial::invalidate_if_of) the denial before it releases the
//! shard's lock.
//!
//! A cached denial is a [`SeqLock`], whose writers the shard's lock serializes.

use super::{budget_id::BudgetId, seqlock::SeqLock};
use crate::{clock::Ticks, window::Strategy};
use limit_core::Limit;

/// The cached denials of all shards. Each budget has one entry in its shard, which others may
/// share.
#[derive(Debug)]
pub(super) struct DenialCache(Box<[CachedDenial]>);

/// The number of entries of a shard.
const EACH: usize = 4;

impl DenialCache {
    pub(super) fn new(shards: usize) -> Self {
        Self(
            (0..shards * EACH)
                .map(|_| CachedDenial::default())
                .collect(),
        )
    }

    /// The entry of a budget in its shard.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "two bits are wanted")]
    pub(super) fn of(&self, shard: usize, id: BudgetId) -> Option<&CachedDenial> {
        self.0.get(shard * EACH + id.low as usize % EACH)
    }

    /// Invalidates all cached denials of the shard. The caller holds the shard's lock.
    pub(super) fn invalidate(&self, shard: usize) {
        for denial in self.0.iter().skip(shard * EACH).take(EACH) {
            denial.invalidate();
        }
    }
}

/// One cached denial, in one cache line.
///
/// The words are the two of the budget's identity, [two](terms) of limit and strategy, and in
/// microseconds of the clock: when the wait ends (0 if there is no denial), when it began, and when
/// everything is available again.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct CachedDenial(SeqLock<7>);

const _: () = assert!(size_of::<CachedDenial>() == 64);

/// The word of the identity that is compared before all words are read.
const LOW: usize = 0;
/// The word that invalidates the denial.
const UNTIL: usize = 4;

impl CachedDenial {
    /// The microseconds until everything and until one unit is available again.
    #[inline(always)]
    pub(super) fn get(
        &self,
        id: BudgetId,
        limit: Limit,
        strategy: Strategy,
        reading: Ticks,
    ) -> Option<(u64, u64)> {
        if self.0.word::<LOW>() != id.low {
            return None;
        }
        // The identity again, because another denial may have taken its place since.
        let [low, high, window, count, until, since, reset_at] = self.0.read()?;
        let now = reading.as_micros();
        let is_same = (low, high) == (id.low, id.high) && (window, count) == terms(limit, strategy);
        (is_same && since <= now && now < until).then(|| (reset_at - now, until - now))
    }

    /// Stores a denial of one unit that holds until its wait is over, with the microseconds until
    /// all units and until one unit is available. The caller holds the shard's lock.
    #[cold]
    pub(super) fn insert(
        &self,
        id: BudgetId,
        limit: Limit,
        strategy: Strategy,
        (reset_after, retry_after): (u64, u64),
        reading: Ticks,
    ) {
        let now = reading.as_micros();
        let (window, count) = terms(limit, strategy);
        let until = now.saturating_add(retry_after);
        let reset_at = now.saturating_add(reset_after);
        self.0
            .write([id.low, id.high, window, count, until, now, reset_at]);
    }

    /// Invalidates the cached denial of this budget. The caller holds the shard's lock.
    #[inline]
    pub(super) fn invalidate_if_of(&self, id: BudgetId) {
        if self.0.word::<LOW>() == id.low {
            self.invalidate();
        }
    }

    fn invalidate(&self) {
        if self.0.word::<UNTIL>() > 0 {
            self.0.write_word::<UNTIL>(0);
        }
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
