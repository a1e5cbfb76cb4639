//! The in-memory store: sharded maps from identity to log, each shard behind its own lock.

use crate::{
    clock::{Clock, Ticks},
    decision::{Decision, Outcome, Receipt},
    key::Key,
    store::{Action, Charge, Scope},
    window::{Strategy, moving::Log},
};
use hashbrown::{HashTable, hash_table};
use parking_lot::{Mutex, MutexGuard};
use siphasher::sip128::{Hasher128, SipHasher13};
use smallvec::SmallVec;
use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

const SHARDS: usize = 64;

/// Most checks have one charge or two; more spill to the heap.
type PerCharge<T> = SmallVec<[T; 2]>;

/// Counts in this process.
pub(crate) struct MemoryStore {
    clock: Clock,
    hasher: SipHasher13,
    shards: Box<[Shard]>,
}

/// Aligned so that two shards never share a cache line.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<HashTable<Entry>>);

struct Entry {
    identity: u128,
    /// The longest window that was ever asked of this entry.
    horizon: Duration,
    log: Log,
}

impl MemoryStore {
    pub(crate) fn new(clock: Clock) -> Self {
        // Each process hashes with a seed of its own, so that no attacker can prepare collisions.
        let seed = RandomState::new();
        Self {
            clock,
            hasher: SipHasher13::new_with_keys(seed.hash_one(0), seed.hash_one(1)),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
        }
    }

    /// As [`Store::check`](super::Store::check); memory always answers, and at once.
    pub(crate) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let identities: PerCharge<u128> = charges
            .iter()
            .map(|charge| self.identity(charge.scope, charge.key, charge.strategy))
            .collect();
        let mut locked = self.lock(&identities);
        // Read under the locks, so that the times in a log never fall.
        let now = self.clock.now();
        let decision = Decision::new(assess(&mut locked, &identities, charges, now));
        match action {
            Action::Peek => return decision,
            Action::Consume if !decision.is_allowed() => return decision,
            Action::Consume | Action::Force => {}
        }
        for (charge, &identity) in charges.iter().zip(&identities) {
            let entry = entry(&mut locked, identity);
            entry.horizon = entry.horizon.max(charge.limits.longest_window());
            let horizon = entry.horizon;
            entry.log.record(now, charge.cost, horizon);
        }
        let costs = charges
            .iter()
            .flat_map(|charge| charge.limits.iter().map(|_| charge.cost));
        Decision::new(
            decision
                .outcomes()
                .iter()
                .zip(costs)
                .map(|(outcome, cost)| consumed(*outcome, cost)),
        )
        .with_receipts(charges.iter().map(|_| Receipt(now.as_micros())))
    }

    pub(crate) fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        for (charge, receipt) in charges.iter().zip(receipts) {
            let identity = self.identity(charge.scope, charge.key, charge.strategy);
            let mut locked = self.lock(&[identity]);
            if let Some(entry) = find(&mut locked, identity) {
                entry.log.refund(Ticks::from_micros(receipt.0), charge.cost);
            }
        }
    }

    pub(crate) fn clear(&self, scope: Scope<'_>, key: &Key) {
        let identity = self.identity(scope, key, Strategy::MovingWindow);
        let mut locked = self.lock(&[identity]);
        let (_, shard) = &mut locked[0];
        if let Ok(entry) = shard.find_entry(identity_hash(identity), |e| e.identity == identity) {
            entry.remove();
        }
    }

    pub(crate) fn reset(&self) {
        for shard in &self.shards {
            shard.0.lock().clear();
        }
    }

    /// Locks the shards of all identities, each once and in ascending order, so that two checks never wait for each other.
    fn lock(&self, identities: &[u128]) -> Locked<'_> {
        let mut indices: PerCharge<usize> = identities.iter().map(|&id| shard_index(id)).collect();
        indices.sort_unstable();
        indices.dedup();
        indices
            .into_iter()
            .map(|index| (index, self.shards[index].0.lock()))
            .collect()
    }

    fn identity(&self, scope: Scope<'_>, key: &Key, strategy: Strategy) -> u128 {
        let mut hasher = self.hasher;
        for part in [
            scope.name.as_bytes(),
            scope.route.as_bytes(),
            key.as_bytes(),
        ] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.write_u8(match strategy {
            Strategy::MovingWindow => 0,
        });
        hasher.finish128().as_u128()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// The outcome of every limit of every charge, before anything is recorded.
fn assess<'a>(
    locked: &'a mut Locked<'_>,
    identities: &'a [u128],
    charges: &'a [Charge<'_>],
    now: Ticks,
) -> impl Iterator<Item = Outcome> + 'a {
    let unused = Log::default();
    let pairs = charges.iter().zip(identities).enumerate();
    pairs.flat_map(move |(index, (charge, &identity))| {
        // Charges of one identity draw on one log: later ones see what earlier ones will take.
        let before: u32 = (0..index)
            .filter(|&earlier| identities[earlier] == identity)
            .map(|earlier| charges[earlier].cost)
            .fold(0, u32::saturating_add);
        let log = match find(locked, identity) {
            Some(entry) => {
                entry.log.settle(now);
                &entry.log
            }
            None => &unused,
        };
        charge
            .limits
            .iter()
            .map(|&limit| log.assess(now, limit, charge.cost.saturating_add(before)))
            .collect::<SmallVec<[Outcome; 4]>>()
    })
}

fn entry<'a>(locked: &'a mut Locked<'_>, identity: u128) -> &'a mut Entry {
    let shard = shard_of(locked, identity);
    match shard.entry(
        identity_hash(identity),
        |entry| entry.identity == identity,
        |entry| identity_hash(entry.identity),
    ) {
        hash_table::Entry::Occupied(found) => found.into_mut(),
        hash_table::Entry::Vacant(place) => place
            .insert(Entry {
                identity,
                horizon: Duration::ZERO,
                log: Log::default(),
            })
            .into_mut(),
    }
}

type Locked<'a> = PerCharge<(usize, MutexGuard<'a, HashTable<Entry>>)>;

fn shard_of<'a>(locked: &'a mut Locked<'_>, identity: u128) -> &'a mut HashTable<Entry> {
    let index = shard_index(identity);
    let place = locked
        .iter()
        .position(|(locked, _)| *locked == index)
        .unwrap_or(0);
    &mut locked[place].1
}

fn find<'a>(locked: &'a mut Locked<'_>, identity: u128) -> Option<&'a mut Entry> {
    shard_of(locked, identity).find_mut(identity_hash(identity), |entry| entry.identity == identity)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a few of the 128 bits are wanted"
)]
fn shard_index(identity: u128) -> usize {
    (identity >> 64) as usize % SHARDS
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "half of the 128 bits is wanted"
)]
fn identity_hash(identity: u128) -> u64 {
    identity as u64
}

/// The outcome as it stands once the request has consumed.
fn consumed(outcome: Outcome, cost: u32) -> Outcome {
    if cost == 0 {
        return outcome;
    }
    Outcome {
        remaining: outcome.remaining.saturating_sub(cost),
        reset_after: outcome.limit.window(),
        ..outcome
    }
}
