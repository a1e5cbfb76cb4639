//! The store: its shards and what is beside them.

use super::{
    bounds::{Bounds, Usage},
    budget_id::BudgetId,
    cache_padded::CachePadded,
    denial_cache::DenialCache,
    planned_charge::{PerCharge, PlannedCharge, plan, shared_id},
    shard::Shard,
    shared_budgets::SharedBudgets,
    sweep::Sweep,
    totals::Totals,
};
#[cfg(feature = "metrics")]
use crate::instruments::MemoryInstruments;
use crate::{
    clock::{Clock, Ticks},
    decision::Receipt,
    key::Key,
    store::{Charge, Scope},
    window::moving::{HeapBudget, MAX_ENTRIES, Query, Record},
};
use parking_lot::{Mutex, MutexGuard};
use std::fmt;

/// Keys per shard: few enough that its table grows within microseconds.
const SHARD_KEYS: usize = 4_096;
/// Keys per shard of a small store, so that a new key finds others to evict in its shard.
const FEW_KEYS: usize = 16;
const LEAST_SHARDS: usize = 64;
const MOST_SHARDS: usize = 1 << 14;

/// A store in the memory of this process.
pub(crate) struct MemoryStore {
    pub(super) clock: Clock,
    pub(super) bounds: Bounds,
    pub(super) shards: Box<[CachePadded<Mutex<Shard>>]>,
    /// Not under the locks of the shards.
    pub(super) denials: DenialCache,
    pub(super) totals: CachePadded<Totals>,
    pub(super) shared: CachePadded<SharedBudgets>,
    pub(super) sweep: CachePadded<Sweep>,
}

impl MemoryStore {
    pub(crate) fn new(clock: Clock, bounds: Bounds) -> Self {
        let bounds = Bounds {
            log_entries: bounds.log_entries.clamp(1, MAX_ENTRIES),
            ..bounds
        };
        let few = (bounds.max_keys / FEW_KEYS).clamp(1, LEAST_SHARDS);
        let shards = (bounds.max_keys / SHARD_KEYS).clamp(few, MOST_SHARDS);
        let shards = shards.next_power_of_two();
        let heap = HeapBudget::new(bounds.max_bytes);
        Self {
            clock,
            bounds,
            shards: (0..shards)
                .map(|index| CachePadded(Mutex::new(Shard::new(index))))
                .collect(),
            denials: DenialCache::new(shards),
            totals: CachePadded(Totals::new(bounds.max_keys, shards, heap)),
            shared: CachePadded::default(),
            sweep: CachePadded::default(),
        }
    }

    /// Refunds the charges, for each receipt at most what was consumed.
    pub(crate) fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        let pairs = charges.iter().zip(receipts);
        let claimed: PerCharge<(u64, Ticks)> = pairs
            .map(|(charge, receipt)| {
                let at = Ticks::from_micros(receipt.at());
                (receipt.claim(charge.cost), at)
            })
            .collect();
        for planned in plan(charges) {
            let Some(&(cost @ 1.., at)) = claimed.get(planned.charge) else {
                continue;
            };
            for id in [planned.id, shared_id(&planned, charges)] {
                let (mut shard, now) = self.enter(id);
                self.denials.invalidate(self.index(id));
                if let Some(entry) = shard.get_mut(id, planned.kind)
                    && entry.counts_at(now)
                {
                    entry.refund(now, at, cost, &planned, self.bounds.log_entries);
                    break;
                }
            }
        }
    }

    /// Returns the number of budgets that counted something.
    pub(crate) fn reset_key(&self, scope: Scope<'_>, key: &Key) -> u64 {
        let id = BudgetId::new(scope, key);
        let (mut shard, now) = self.enter(id);
        self.denials.invalidate(self.index(id));
        shard.clear(id, now, &self.totals.0)
    }

    pub(crate) fn reset_all(&self) {
        // First, so that what is shared meanwhile is remembered.
        self.shared.0.end();
        for (index, shard) in self.shards.iter().enumerate() {
            let mut shard = shard.0.lock();
            self.denials.invalidate(index);
            shard.reset(&self.totals.0);
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            keys: self.totals.0.places(),
            bytes: self.totals.0.heap.used(),
            evicted: self.shared.0.evicted(),
            shared: self.shared.0.shared(),
            // The limiter knows them.
            permits: 0,
        }
    }

    /// What is recorded of this store.
    #[cfg(feature = "metrics")]
    pub(crate) fn instruments(&self) -> &MemoryInstruments {
        &self.shared.0.instruments
    }

    /// The size of tables and logs in bytes, by looking at each.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().bytes()).sum()
    }

    /// The size of the logs in bytes, beside the tables.
    #[cfg(test)]
    pub(super) fn log_bytes(&self) -> usize {
        let logs = self.shards.iter().map(|shard| shard.0.lock().log_bytes());
        logs.sum()
    }

    #[inline]
    pub(super) fn query<'q>(
        &'q self,
        planned: &'q PlannedCharge<'_>,
        cost: u64,
        record: Record,
    ) -> Query<'q> {
        planned.query(cost, record, self.bounds.log_entries, &self.totals.0.heap)
    }

    /// Locks the shard of a budget. Returns it with its current time.
    pub(super) fn enter(&self, id: BudgetId) -> (MutexGuard<'_, Shard>, Ticks) {
        let index = self.index(id);
        let mut shard = self.shards[index].0.lock();
        let now = self.now_of(index, &mut shard, self.clock.now());
        (shard, now)
    }

    /// The current time of a shard, from a reading of the clock.
    #[inline]
    pub(super) fn now_of(&self, index: usize, shard: &mut Shard, reading: Ticks) -> Ticks {
        match shard.time.now(reading) {
            Some(now) => now,
            None => self.step_back(index, shard),
        }
    }

    #[cold]
    fn step_back(&self, index: usize, shard: &mut Shard) -> Ticks {
        // Cached denials have an end in the clock's time, which has stepped back.
        self.denials.invalidate(index);
        shard.time.step_back(self.clock.now())
    }

    /// The shard of a budget.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a few of the 64 bits are wanted"
    )]
    pub(super) fn index(&self, id: BudgetId) -> usize {
        id.high as usize & (self.shards.len() - 1)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("bounds", &self.bounds)
            .field("keys", &self.totals.0.places())
            .finish_non_exhaustive()
    }
}
