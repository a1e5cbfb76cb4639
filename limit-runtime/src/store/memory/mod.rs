//! The in-memory store: sharded maps from owner to what was consumed, each shard behind its own lock.

mod budget;
mod identity;

use self::{
    budget::Budget,
    identity::{Owner, Owners, Variant, Windows},
};
use crate::{
    clock::{Clock, Ticks},
    decision::{Decision, Outcome, Receipt},
    key::Key,
    store::{Action, Charge, Scope},
    window::Strategy,
};
use hashbrown::HashTable;
use limit_core::Limit;
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::fmt;

const SHARDS: usize = 64;

/// Most checks have one charge or two; more spill to the heap.
type PerCharge<T> = SmallVec<[T; 2]>;

/// Counts in this process.
pub(crate) struct MemoryStore {
    clock: Clock,
    owners: Owners,
    windows: Windows,
    shards: Box<[Shard]>,
}

/// Aligned so that two shards never share a cache line.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    table: HashTable<Entry>,
    /// The latest reading of the clock, and how far it ever stepped back: their sum never falls.
    latest: u64,
    stepped_back: u64,
    /// That sum.
    now: Ticks,
}

struct Entry {
    owner: Owner,
    variant: Variant,
    budget: Budget,
}

/// One limit of one charge, or all the limits of a charge that one log answers for.
#[derive(Clone, Copy)]
struct Slot<'a> {
    owner: Owner,
    variant: Variant,
    limits: &'a [Limit],
    cost: u32,
    strategy: Strategy,
    charge: usize,
}

impl MemoryStore {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            owners: Owners::new(),
            windows: Windows::new(),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
        }
    }

    /// As [`Store::check`](super::Store::check); memory always answers, and at once.
    pub(crate) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let slots = self.slots(charges);
        let mut locked = self.lock(&slots);
        let mut outcomes: SmallVec<[Outcome; 4]> = SmallVec::new();
        for (index, slot) in slots.iter().enumerate() {
            // Charges of one budget: later ones see what earlier ones will take.
            let cost = slots[..index]
                .iter()
                .filter(|earlier| earlier.is_same_budget(slot))
                .fold(slot.cost, |cost, earlier| cost.saturating_add(earlier.cost));
            outcomes.extend(assess(&mut locked, slot, cost));
        }
        let decision = Decision::new(outcomes.iter().copied());
        match action {
            Action::Peek => return decision,
            Action::Consume if !decision.is_allowed() => return decision,
            Action::Consume | Action::Force => {}
        }
        let mut receipts: PerCharge<Receipt> = SmallVec::from_elem(Receipt::new(0), charges.len());
        for slot in &slots {
            let shard = shard_of(&mut locked, slot.owner);
            let now = shard.now;
            shard
                .find_or_insert(slot)
                .record(now, slot.limits, slot.cost);
            receipts[slot.charge] = Receipt::new(now.as_micros());
        }
        let mut stands = outcomes.iter_mut();
        for slot in &slots {
            for (outcome, after) in stands.by_ref().zip(assess(&mut locked, slot, 0)) {
                outcome.remaining = after.remaining;
                outcome.reset_after = after.reset_after;
            }
        }
        Decision::new(outcomes).with_receipts(receipts)
    }

    pub(crate) fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        let slots = self.slots(charges);
        let mut locked = self.lock(&slots);
        for slot in &slots {
            let Some(receipt) = receipts.get(slot.charge) else {
                continue;
            };
            let shard = shard_of(&mut locked, slot.owner);
            let now = shard.now;
            if let Some(budget) = shard.find(slot) {
                budget.refund(
                    now,
                    Ticks::from_micros(receipt.at()),
                    slot.limits,
                    slot.cost,
                );
            }
        }
    }

    pub(crate) fn clear(&self, scope: Scope<'_>, key: &Key) {
        let owner = self.owners.owner(scope, key);
        let mut shard = self.shards[shard_index(owner)].0.lock();
        shard.table.retain(|entry| entry.owner != owner);
    }

    pub(crate) fn reset(&self) {
        for shard in &self.shards {
            shard.0.lock().table.clear();
        }
    }

    fn slots<'a>(&self, charges: &'a [Charge<'_>]) -> PerCharge<Slot<'a>> {
        let mut slots = PerCharge::new();
        for (index, charge) in charges.iter().enumerate() {
            let owner = self.owners.owner(charge.scope, charge.key);
            let limits = charge.limits.as_slice();
            let together = match charge.strategy {
                Strategy::MovingWindow => limits.len(),
                _ => 1,
            };
            for limits in limits.chunks(together) {
                let window = limits.first().map_or(1, |limit| limit.window_millis());
                slots.push(Slot {
                    owner,
                    variant: self.windows.variant(charge.strategy, window),
                    limits,
                    cost: charge.cost,
                    strategy: charge.strategy,
                    charge: index,
                });
            }
        }
        slots
    }

    /// Locks the shards of all slots, each once and in ascending order, so that two checks never wait for each other.
    fn lock(&self, slots: &[Slot<'_>]) -> Locked<'_> {
        let mut indices: PerCharge<usize> =
            slots.iter().map(|slot| shard_index(slot.owner)).collect();
        indices.sort_unstable();
        indices.dedup();
        indices
            .into_iter()
            .map(|index| {
                let mut shard = self.shards[index].0.lock();
                // Read under the lock, so that the times in a budget never fall.
                shard.tell(self.clock.now());
                (index, shard)
            })
            .collect()
    }
}

impl Slot<'_> {
    fn is_same_budget(&self, other: &Self) -> bool {
        self.owner == other.owner && self.variant == other.variant
    }
}

impl Inner {
    /// Takes notice of the clock. If it stepped back, time goes on here from where it was: ages stay what they are.
    fn tell(&mut self, reading: Ticks) {
        let reading = reading.as_micros();
        self.stepped_back += self.latest.saturating_sub(reading);
        self.latest = reading;
        self.now = Ticks::from_micros(reading.saturating_add(self.stepped_back));
    }

    fn find(&mut self, slot: &Slot<'_>) -> Option<&mut Budget> {
        let found = self
            .table
            .find_mut(slot.owner.low, |entry| entry.is_of(slot));
        found.map(|entry| &mut entry.budget)
    }

    fn find_or_insert(&mut self, slot: &Slot<'_>) -> &mut Budget {
        let place = self.table.entry(
            slot.owner.low,
            |entry| entry.is_of(slot),
            |entry| entry.owner.low,
        );
        let entry = place.or_insert_with(|| Entry {
            owner: slot.owner,
            variant: slot.variant,
            budget: Budget::new(slot.strategy),
        });
        &mut entry.into_mut().budget
    }
}

impl Entry {
    fn is_of(&self, slot: &Slot<'_>) -> bool {
        self.owner == slot.owner && self.variant == slot.variant
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// The outcomes of one slot for a request of `cost`.
fn assess(locked: &mut Locked<'_>, slot: &Slot<'_>, cost: u32) -> SmallVec<[Outcome; 4]> {
    let shard = shard_of(locked, slot.owner);
    let now = shard.now;
    let mut unused = Budget::new(slot.strategy);
    let budget = shard.find(slot).unwrap_or(&mut unused);
    slot.limits
        .iter()
        .map(|&limit| budget.assess(now, limit, slot.strategy, cost))
        .collect()
}

type Locked<'a> = PerCharge<(usize, MutexGuard<'a, Inner>)>;

fn shard_of<'a>(locked: &'a mut Locked<'_>, owner: Owner) -> &'a mut Inner {
    let index = shard_index(owner);
    let place = locked
        .iter()
        .position(|(locked, _)| *locked == index)
        .unwrap_or(0);
    &mut locked[place].1
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a few of the 64 bits are wanted"
)]
fn shard_index(owner: Owner) -> usize {
    owner.high as usize % SHARDS
}
