//! The in-memory store: shards of 32-byte cells, each shard behind its own lock.
//!
//! A check of one key locks one shard, finds one cell and writes it back: one cache line, no allocation.
//! Shards are so many that none grows beyond some thousand cells: a table that has to grow does so in
//! microseconds. Nothing runs in the background: new keys and, now and then, any check look at a few
//! cells and drop those that equal a fresh one.

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

/// How much a store may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Budgets.
    pub(crate) max_keys: usize,
    /// Entries of a log, for each limit, before they merge.
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

/// What a limiter holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Keys that are held, with those that count no more and have not been dropped yet.
    pub keys: usize,
    /// Checks of new keys that found no room, and shared a budget.
    pub overflowed: u64,
}

/// Keys for each shard: few enough that growing one is quick.
const SHARD_KEYS: usize = 4_096;
const LEAST_SHARDS: usize = 64;
const MOST_SHARDS: usize = 1 << 14;

/// Most checks have one charge or two; more spill to the heap.
type PerSlot<T> = SmallVec<[T; 2]>;

/// Counts in this process.
pub(crate) struct MemoryStore {
    clock: Clock,
    bounds: Bounds,
    owners: Owners,
    windows: Windows,
    shards: Box<[Apart<Mutex<Shard>>]>,
    /// Apart from the locks of the shards.
    denials: Denials,
    /// How many cells are taken.
    keys: Apart<AtomicUsize>,
    overflow: Apart<Overflow>,
    sweep: Apart<Sweep>,
}

/// Aligned so that no two of these ever share a cache line, nor a pair that is fetched together.
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

    /// Gives back what the charges consumed, of each receipt no more than it was given for.
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

    /// Returns how many budgets counted something.
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

    /// What is held, and how often there was no room.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            keys: self.keys(),
            overflowed: self.overflow.0.count(),
        }
    }

    /// What tables and logs take at present.
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

    /// Whose budget a slot shares when there is no room for its own.
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

    /// Locks a shard, and says what time it is there.
    #[inline]
    fn enter(&self, index: usize, reading: Ticks) -> (MutexGuard<'_, Shard>, Ticks) {
        let mut shard = self.shards[index].0.lock();
        let now = shard.now(reading);
        let now = now.unwrap_or_else(|| self.step_back(index, &mut shard));
        (shard, now)
    }

    #[cold]
    fn step_back(&self, index: usize, shard: &mut Shard) -> Ticks {
        // It says until when in the clock's time, which has changed its meaning.
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

    /// Takes a place for one more budget, if there is one or if one can be made in this shard.
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

/// One in so many new keys looks at so many cells, to drop those that equal a fresh one: six for each, and more when
/// there is no room.
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
