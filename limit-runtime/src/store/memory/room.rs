//! Room for new budgets: removal of expired and of little used entries.

use super::{
    budget_id::BudgetId,
    memory_store::MemoryStore,
    shard::{Removable, Shard},
    shared_budgets::WhenFull,
    totals::Place,
};
use crate::clock::Ticks;

/// Every eighth new key looks for expired entries.
const TURNS: u32 = 8;
/// The number of places that it looks at: six for each new key.
const SCAN: usize = 48;
/// The number of entries that are searched for an expired one under [`WhenFull::Share`].
const CANDIDATES_TO_SHARE: usize = 64;
/// The number of entries of which the least used is forgotten.
const CANDIDATES: usize = 16;
/// The number of places that are looked at for expired entries when there are no new keys: some
/// microseconds of work.
const SLICE: usize = 768;

impl MemoryStore {
    /// Makes room for one more budget in a shard. If the store is full, another entry of the shard
    /// is removed, but none of `keep`.
    #[cold]
    pub(super) fn make_room(
        &self,
        shard: &mut Shard,
        now: Ticks,
        keep: &[BudgetId],
    ) -> Option<Place<'_>> {
        let totals = &self.totals.0;
        let place = totals.take_place(shard.growth()).or_else(|| {
            let found = self.find_removable(shard, now, keep)?;
            shard.remove_found(found, totals);
            if found.still_counts {
                self.shared.0.has_evicted(self.bounds.max_keys);
            }
            totals.take_place_of_removed(shard.growth())
        });
        // A check of several budgets must not lose those that it has looked up already.
        if keep.is_empty() && shard.is_turn_to_scan(TURNS) {
            shard.remove_expired(now, SCAN, totals);
        }
        place
    }

    /// Whether there is room for one more budget in a shard, or can be made.
    pub(super) fn can_make_room(&self, shard: &Shard, now: Ticks, keep: &[BudgetId]) -> bool {
        !self.totals.0.is_full() || self.find_removable(shard, now, keep).is_some()
    }

    /// An entry of a full store that makes room for a new one.
    fn find_removable(&self, shard: &Shard, now: Ticks, keep: &[BudgetId]) -> Option<Removable> {
        match self.bounds.when_full {
            WhenFull::Share => shard
                .find_removable(now, CANDIDATES_TO_SHARE, keep)
                .filter(|found| !found.still_counts),
            WhenFull::ForgetLeastUsed => shard.find_removable(now, CANDIDATES, keep),
        }
    }

    /// Looks at a slice of the tables and removes expired entries, if it is [due](super::sweep).
    #[inline]
    pub(super) fn sweep_if_due(&self, reading: Ticks) {
        if self.sweep.0.is_due(reading) {
            self.sweep(reading);
        }
    }

    #[cold]
    #[inline(never)]
    fn sweep(&self, reading: Ticks) {
        let sweep = &self.sweep.0;
        let (mut looked, mut expired) = (0, 0);
        for _ in 0..sweep.begin(reading) {
            let index = sweep.shard(self.shards.len());
            let mut is_done = true;
            if !self.totals.0.is_empty(index)
                && let Some(mut shard) = self.shards[index].0.try_lock()
            {
                let now = self.now_of(index, &mut shard, self.clock.now());
                let scan = shard.remove_expired(now, SLICE - looked, &self.totals.0);
                looked += scan.looked;
                expired += scan.expired;
                is_done = scan.reached_end;
            }
            if is_done {
                sweep.advance();
            }
            if looked >= SLICE {
                break;
            }
        }
        sweep.finish(looked, expired);
    }
}
