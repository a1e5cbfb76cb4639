//! The in-memory store: shards of 32-byte cells, each shard behind its own lock.
//!
//! A check of one key locks one shard, finds one cell and writes it back: one cache line, no
//! allocation. The number of shards grows with `max_keys`, so that a shard has a few thousand cells
//! at most and its table grows within microseconds. There is no background task: new keys, and
//! occasionally other checks, scan a few cells and remove the expired ones.
//!
//! A cell is *expired* (or *equals a fresh one*) when everything it counts has left its windows.

mod cell;
mod check;
mod denial;
mod identity;
mod kept;
mod log;
mod overflow;
mod quick;
mod shard;
mod sizes;
mod slab;
mod slot;
mod sweep;
mod table;
#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "small random numbers")]
mod tests;
mod write;

use self::{
    denial::Denials,
    identity::{Owner, Owners, Variant, Windows},
    overflow::Overflow,
    shard::Shard,
    slot::Slot,
    sweep::Sweep,
};
use crate::{
    clock::{Clock, Ticks},
    decision::{Receipt, recorded_cost},
    key::Key,
    store::{Charge, Scope},
    window::{Strategy, moving::MAX_ENTRIES},
};
use limit_core::Limit;
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Memory limits of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The maximum number of budgets.
    pub(crate) max_keys: usize,
    /// The maximum number of log entries for each limit. Further hits are merged with neighbours.
    pub(crate) log_entries: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_keys: 1_000_000,
            log_entries: 1_024,
        }
    }
}

/// Memory usage of a limiter, from [`Limiter::usage`](crate::Limiter::usage).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The number of budgets in memory, including expired ones that have not been removed yet.
    pub keys: usize,
    /// The number of checks of new keys that used a shared budget, because `max_keys` was reached.
    pub overflowed: u64,
}

/// Keys per shard: few enough that its table grows within microseconds.
const SHARD_KEYS: usize = 4_096;
const LEAST_SHARDS: usize = 64;
const MOST_SHARDS: usize = 1 << 14;

/// Most checks have one or two charges; more are stored on the heap.
type PerSlot<T> = SmallVec<[T; 2]>;

/// A store in the memory of this process.
pub(crate) struct MemoryStore {
    clock: Clock,
    bounds: Bounds,
    owners: Owners,
    windows: Windows,
    shards: Box<[Apart<Mutex<Shard>>]>,
    /// Not under the locks of the shards.
    denials: Denials,
    /// The number of cells in use.
    keys: Apart<AtomicUsize>,
    overflow: Apart<Overflow>,
    sweep: Apart<Sweep>,
}

/// Aligned to two cache lines, which avoids false sharing (CPUs prefetch lines in pairs).
#[derive(Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl MemoryStore {
    pub(crate) fn new(clock: Clock, bounds: Bounds) -> Self {
        let bounds = Bounds {
            log_entries: bounds.log_entries.clamp(1, MAX_ENTRIES),
            ..bounds
        };
        let shards = (bounds.max_keys / SHARD_KEYS).clamp(LEAST_SHARDS, MOST_SHARDS);
        let shards = shards.next_power_of_two();
        Self {
            clock,
            bounds,
            owners: Owners::new(),
            windows: Windows::new(),
            shards: (0..shards).map(|_| Apart::default()).collect(),
            denials: Denials::new(shards),
            keys: Apart::default(),
            overflow: Apart::default(),
            sweep: Apart::default(),
        }
    }

    /// Refunds the charges, for each receipt at most what was consumed.
    pub(crate) fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        let pairs = charges.iter().zip(receipts);
        let claimed: PerSlot<(u64, Ticks)> = pairs
            .map(|(charge, receipt)| {
                let at = Ticks::from_micros(receipt.at());
                (receipt.claim(charge.cost), at)
            })
            .collect();
        for slot in self.slots(charges) {
            let Some(&(cost @ 1.., at)) = claimed.get(slot.charge) else {
                continue;
            };
            for owner in [slot.owner, self.spare(&slot, charges)] {
                let slot = Slot {
                    owner,
                    cost,
                    ..slot
                };
                let index = self.index(owner);
                let (mut shard, now) = self.enter(index, self.clock.now());
                self.denials.forget(index);
                if shard.find(owner, slot.variant, now).is_some() {
                    shard.refund(&slot, at, now);
                    break;
                }
            }
        }
    }

    /// Returns the number of budgets that counted something.
    pub(crate) fn reset_key(&self, scope: Scope<'_>, key: &Key) -> u64 {
        let owner = self.owners.owner(scope, key);
        let index = self.index(owner);
        let (mut shard, now) = self.enter(index, self.clock.now());
        self.denials.forget(index);
        let (dropped, budgets) = shard.clear(owner, now);
        self.keys.0.fetch_sub(dropped, Ordering::Relaxed);
        budgets
    }

    pub(crate) fn reset_all(&self) {
        for (index, shard) in self.shards.iter().enumerate() {
            let mut shard = shard.0.lock();
            self.denials.forget(index);
            let dropped = shard.reset();
            self.keys.0.fetch_sub(dropped, Ordering::Relaxed);
        }
        self.overflow.0.end();
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            keys: self.keys(),
            overflowed: self.overflow.0.count(),
        }
    }

    /// The size of tables and logs in bytes.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().bytes()).sum()
    }

    fn keys(&self) -> usize {
        self.keys.0.load(Ordering::Relaxed)
    }

    fn slots<'a>(&self, charges: &'a [Charge<'_>]) -> PerSlot<Slot<'a>> {
        let mut slots = PerSlot::new();
        for (index, charge) in charges.iter().enumerate() {
            let owner = self.owners.owner(charge.scope, charge.key);
            let limits = charge.limits.as_slice();
            let together = match charge.strategy {
                Strategy::MovingWindow => limits.len(),
                _ => 1,
            };
            for limits in limits.chunks(together) {
                slots.push(Slot {
                    owner,
                    variant: self.variant(charge.strategy, limits),
                    limits,
                    cost: recorded_cost(charge.cost),
                    strategy: charge.strategy,
                    charge: index,
                });
            }
        }
        slots
    }

    fn variant(&self, strategy: Strategy, limits: &[Limit]) -> Variant {
        let window = limits.first().map_or(1, |limit| limit.window_millis());
        self.windows.variant(strategy, window)
    }

    /// The owner of the shared budget that a slot uses when there is no room for its own.
    fn spare(&self, slot: &Slot<'_>, charges: &[Charge<'_>]) -> Owner {
        let scope = charges
            .get(slot.charge)
            .map_or(Scope::shared(""), |charge| charge.scope);
        self.owners.shared(scope, slot.owner)
    }

    #[cfg(test)]
    fn shard(&self, owner: Owner) -> &Mutex<Shard> {
        &self.shards[self.index(owner)].0
    }

    /// Locks a shard. Returns it with the current time of the shard.
    #[inline]
    fn enter(&self, index: usize, reading: Ticks) -> (MutexGuard<'_, Shard>, Ticks) {
        let mut shard = self.shards[index].0.lock();
        let now = shard.now(reading);
        let now = now.unwrap_or_else(|| self.step_back(index, &mut shard));
        (shard, now)
    }

    #[cold]
    fn step_back(&self, index: usize, shard: &mut Shard) -> Ticks {
        // Cached denials have an end in the clock's time, which has stepped back.
        self.denials.forget(index);
        shard.step_back(self.clock.now())
    }

    /// The shard of an owner.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a few of the 64 bits are wanted"
    )]
    fn index(&self, owner: Owner) -> usize {
        owner.high as usize & (self.shards.len() - 1)
    }

    /// Reserves room for one more budget. If the store is full, evicts expired cells of this shard.
    #[cold]
    fn reserve(&self, shard: &mut Shard, now: Ticks) -> bool {
        let keys = &self.keys.0;
        let mut dropped = if shard.is_turn_to_evict(TURNS) {
            shard.evict(now, LOOK)
        } else {
            0
        };
        let taken = keys.fetch_add(1, Ordering::Relaxed);
        if taken >= self.bounds.max_keys {
            dropped += shard.evict(now, LOOK_HARD);
        }
        let room = taken < self.bounds.max_keys + dropped;
        keys.fetch_sub(dropped + usize::from(!room), Ordering::Relaxed);
        room
    }

    fn take(&self, places: usize) {
        self.keys.0.fetch_add(places, Ordering::Relaxed);
    }

    fn release(&self, places: usize) {
        self.keys.0.fetch_sub(places, Ordering::Relaxed);
    }
}

/// Every eighth new key scans [`LOOK`] cells for expired ones (six for each new key), and
/// [`LOOK_HARD`] cells when the store is full.
const TURNS: u32 = 8;
const LOOK: usize = 48;
const LOOK_HARD: usize = 128;

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("bounds", &self.bounds)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}
