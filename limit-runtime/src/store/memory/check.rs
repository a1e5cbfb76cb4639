//! A check: consumes all charges, or none.

use super::{
    MemoryStore, PerSlot,
    identity::Owner,
    quick::{Question, Quick},
    shard::{Shard, millis},
    slot::Slot,
};
use crate::{
    clock::Ticks,
    decision::{Decision, Outcome, Receipt, Remaining, recorded_cost},
    store::{Action, Charge},
    window::Strategy,
};
use parking_lot::MutexGuard;
use smallvec::SmallVec;

impl MemoryStore {
    /// As [`Store::check`](crate::store::Store::check), but synchronous and without errors.
    pub(crate) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        if let [charge] = charges
            && action == Action::Consume
            && let Some((outcome, receipt)) = self.consume(charge)
        {
            return Decision::from_single(outcome, receipt);
        }
        self.check_any(charges, action)
    }

    /// Fast path for a single limit. `None`: it does not apply, and nothing was recorded. Inlined,
    /// so that the result is not moved.
    #[inline(always)]
    pub(crate) fn consume(&self, charge: &Charge<'_>) -> Option<(Outcome, Option<Receipt>)> {
        let &[limit] = charge.limits.as_slice() else {
            return None;
        };
        if charge.cost == 0 {
            return None;
        }
        let strategy = charge.strategy;
        let owner = self.owners.owner(charge.scope, charge.key);
        let variant = self.windows.variant(strategy, limit.window_millis());
        // Before the lock, to hold the lock for a shorter time.
        let reading = self.clock.now();
        self.sweep_if_due(reading);
        let index = self.index(owner);
        let denial = self.denials.of(index, owner)?;
        if charge.cost == 1
            && let Some((reset_after, retry_after)) = denial.repeat(owner, limit, strategy, reading)
        {
            let left = Remaining {
                remaining: 0,
                reset_after,
                next_after: retry_after,
            };
            let outcome = Outcome::allowed(limit, strategy.capacity(limit), left);
            return Some((outcome.refused(retry_after), None));
        }
        let (mut guard, now) = self.enter(index, reading);
        let shard = &mut *guard;
        let question = Question {
            owner,
            variant,
            limit,
            strategy,
            cost: recorded_cost(charge.cost),
            now,
            entries: self.bounds.log_entries,
        };
        let place = shard.table.find(owner.low, variant);
        let mut left = Remaining::default();
        let answer = match place {
            Ok(place) if shard.is_live(place, now) => {
                shard.consume_quickly(place, &question, &mut left)
            }
            place => self.begin(shard, place, &question, reading, &mut left),
        };
        match answer {
            Quick::Consumed => {
                denial.forget_if_of(owner);
                let receipt = Receipt::of_cost(now.as_micros(), charge.cost);
                let outcome = Outcome::allowed(limit, strategy.capacity(limit), left);
                Some((outcome, Some(receipt)))
            }
            Quick::Refused => {
                let cell = shard.find(owner, variant, now);
                let outcome = shard.assess(cell.as_ref(), now, limit, strategy, charge.cost);
                if charge.cost == 1 {
                    denial.remember(owner, strategy, &outcome, shard.latest_reading());
                }
                Some((outcome, None))
            }
            Quick::Declined => None,
        }
    }

    /// The first hit of a budget. `None` if the budget may have counts in a shared budget, or if
    /// there is no room.
    #[inline(never)]
    fn begin(
        &self,
        shard: &mut Shard,
        mut place: Result<usize, usize>,
        question: &Question,
        reading: Ticks,
        left: &mut Remaining,
    ) -> Quick {
        let Some((then, cell)) = question.first() else {
            return Quick::Declined;
        };
        if place.is_err() {
            if self.overflow.0.is_remembered(millis(reading)) || !self.reserve(shard, question.now)
            {
                return Quick::Declined;
            }
            place = shard.table.find(question.owner.low, question.variant);
        }
        shard.begin(place, cell);
        *left = then;
        Quick::Consumed
    }

    /// General path, for every check that [`consume`](Self::consume) does not handle.
    #[inline(never)]
    pub(crate) fn check_any(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        if let [charge] = charges
            && (charge.strategy == Strategy::MovingWindow || charge.limits.len() == 1)
        {
            let slot = Slot {
                owner: self.owners.owner(charge.scope, charge.key),
                variant: self.variant(charge.strategy, charge.limits.as_slice()),
                limits: charge.limits.as_slice(),
                cost: recorded_cost(charge.cost),
                strategy: charge.strategy,
                charge: 0,
            };
            let mut decision = Decision::empty();
            if self.check_one(&slot, action, &mut decision) {
                return decision;
            }
        }
        self.check_all(charges, action)
    }

    /// A check of one budget under one lock. `false` if the budget is new and has no room, or
    /// counts in a shared budget: then nothing was recorded, and the decision is invalid.
    #[inline]
    fn check_one(&self, slot: &Slot<'_>, action: Action, decision: &mut Decision) -> bool {
        let reading = self.clock.now();
        self.sweep_if_due(reading);
        let index = self.index(slot.owner);
        let (mut guard, now) = self.enter(index, reading);
        let shard = &mut *guard;
        let mut place = shard.table.find(slot.owner.low, slot.variant);
        if place.is_err() && self.overflow.0.is_remembered(millis(reading)) {
            return false;
        }
        let cell = shard.live(place, now);
        let mut allowed = true;
        for &limit in slot.limits {
            let outcome = shard.assess(cell.as_ref(), now, limit, slot.strategy, slot.cost);
            allowed &= outcome.is_allowed();
            decision.push(outcome);
        }
        if consumes(action, allowed) {
            if slot.cost > 0 {
                if place.is_err() {
                    if !self.reserve(shard, now) {
                        return false;
                    }
                    place = shard.table.find(slot.owner.low, slot.variant);
                }
                if let Some(denial) = self.denials.of(index, slot.owner) {
                    denial.forget_if_of(slot.owner);
                }
                let cell = shard.record(place, slot, now, self.bounds.log_entries, None);
                let entries = self.bounds.log_entries;
                shard.settle(&cell, slot, now, entries, decision.outcomes_mut());
            }
            decision.push_receipt(Receipt::of_cost(now.as_micros(), slot.cost));
        }
        true
    }

    /// A check of several budgets, or of new ones that have to share a budget.
    #[inline(never)]
    fn check_all(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let slots = self.slots(charges);
        let sharing = self.keys() >= self.bounds.max_keys
            || self.overflow.0.is_remembered(millis(self.clock.now()));
        match self.try_all(&slots, charges, action, sharing) {
            Some(decision) => decision,
            // There was no room for a new budget: lock the shared budgets as well.
            None => self
                .try_all(&slots, charges, action, true)
                .unwrap_or_else(Decision::empty),
        }
    }

    fn try_all(
        &self,
        slots: &[Slot<'_>],
        charges: &[Charge<'_>],
        action: Action,
        sharing: bool,
    ) -> Option<Decision> {
        let spares: PerSlot<Owner> = if sharing {
            slots.iter().map(|slot| self.spare(slot, charges)).collect()
        } else {
            SmallVec::new()
        };
        let mut locked = self.lock(
            slots
                .iter()
                .map(|slot| slot.owner)
                .chain(spares.iter().copied()),
        );
        // The budget of each slot: its own, or the shared one while it has none.
        let mut drawn: PerSlot<Slot<'_>> = slots.into();
        for (slot, &spare) in drawn.iter_mut().zip(&spares) {
            let (shard, _) = locked.of(self, slot.owner);
            if !shard.holds(slot.owner, slot.variant) {
                slot.owner = spare;
            }
        }
        let mut decision = Decision::empty();
        for (index, slot) in drawn.iter().enumerate() {
            // Several charges of one budget: later ones include the cost of earlier ones.
            let cost = drawn[..index]
                .iter()
                .filter(|earlier| earlier.is_same_budget(slot))
                // A cost of 0 is allowed if one unit is left after the other charges.
                .fold(slot.cost.max(1), |cost, earlier| {
                    cost.saturating_add(earlier.cost)
                });
            locked.assess(self, slot, cost, |outcome| decision.push(outcome));
        }
        if !consumes(action, decision.is_allowed()) {
            let shares = drawn
                .iter()
                .zip(&spares)
                .any(|(slot, &spare)| slot.owner == spare);
            if shares && self.keys() >= self.bounds.max_keys {
                self.overflow.0.happened(self.bounds.max_keys);
            }
            return Some(decision);
        }
        let held: PerSlot<bool> = slots
            .iter()
            .map(|slot| {
                let (shard, _) = locked.of(self, slot.owner);
                shard.holds(slot.owner, slot.variant)
            })
            .collect();
        if !self.find_places(&mut locked, slots, &mut drawn, sharing) {
            return None;
        }
        let mut receipts: SmallVec<[Receipt; 2]> =
            charges.iter().map(|_| Receipt::of_cost(0, 0)).collect();
        for (index, slot) in drawn.iter().enumerate() {
            let (_, now) = locked.of(self, slot.owner);
            let inherited = spares.get(index).and_then(|&owner| {
                let (shard, of_spare) = locked.of(self, owner);
                let cell = shard.find(owner, slot.variant, of_spare)?;
                shard.bequeath(&cell, slot, of_spare, now)
            });
            let (shard, now) = locked.of(self, slot.owner);
            receipts[slot.charge] = Receipt::of_cost(now.as_micros(), slot.cost);
            if slot.cost == 0 {
                continue;
            }
            let place = shard.table.find(slot.owner.low, slot.variant);
            if place.is_err() && held[index] && slot.owner == slots[index].owner {
                // The cell had expired and was evicted for another budget of this check.
                self.take(1);
            }
            let cell = shard.record(place, slot, now, self.bounds.log_entries, inherited);
            if spares.get(index) == Some(&slot.owner) {
                let until = shard.reading(cell.fresh_at());
                self.overflow.0.remember(until);
                self.overflow.0.happened(self.bounds.max_keys);
                self.take(usize::from(place.is_err()));
            }
        }
        let mut stands = decision.outcomes_mut().iter_mut();
        for slot in &drawn {
            locked.assess(self, slot, 0, |after| {
                if let Some(outcome) = stands.next() {
                    outcome.update(after.left());
                }
            });
        }
        Some(decision.with_receipts(receipts))
    }

    /// Reserves room for each new budget, and assigns shared budgets to slots without room. `false`
    /// if sharing is necessary and not permitted: then nothing is reserved.
    fn find_places(
        &self,
        locked: &mut Locked<'_>,
        slots: &[Slot<'_>],
        drawn: &mut [Slot<'_>],
        sharing: bool,
    ) -> bool {
        let mut taken = 0;
        for (index, slot) in slots.iter().enumerate() {
            let mut earlier = slots[..index].iter();
            let draws = |earlier: &Slot<'_>| earlier.cost > 0 && earlier.is_same_budget(slot);
            if let Some(earlier) = earlier.position(draws) {
                drawn[index].owner = drawn[earlier].owner;
                continue;
            }
            let (shard, now) = locked.guard(self, slot.owner);
            if slot.cost == 0 {
                continue;
            }
            if shard.holds(slot.owner, slot.variant) {
                drawn[index].owner = slot.owner;
            } else if self.reserve(shard, now) {
                drawn[index].owner = slot.owner;
                taken += 1;
            } else if !sharing {
                self.release(taken);
                return false;
            }
        }
        true
    }

    /// Locks the shards of these owners, each once and in ascending order, which prevents
    /// deadlocks.
    fn lock(&self, owners: impl Iterator<Item = Owner>) -> Locked<'_> {
        let mut indices: PerSlot<usize> = owners.map(|owner| self.index(owner)).collect();
        indices.sort_unstable();
        indices.dedup();
        let mut shards: PerSlot<(usize, MutexGuard<'_, Shard>, Ticks)> = indices
            .into_iter()
            .map(|index| (index, self.shards[index].0.lock(), Ticks::default()))
            .collect();
        let reading = self.clock.now();
        for (index, shard, now) in &mut shards {
            self.denials.forget(*index);
            let present = shard.now(reading);
            *now = present.unwrap_or_else(|| self.step_back(*index, shard));
        }
        Locked(shards)
    }
}

/// The locked shards of a check, each with its current time.
struct Locked<'a>(PerSlot<(usize, MutexGuard<'a, Shard>, Ticks)>);

impl<'a> Locked<'a> {
    fn guard(&mut self, store: &MemoryStore, owner: Owner) -> (&mut MutexGuard<'a, Shard>, Ticks) {
        let index = store.index(owner);
        let place = self.0.iter().position(|(locked, ..)| *locked == index);
        let (_, shard, now) = &mut self.0[place.unwrap_or(0)];
        (shard, *now)
    }

    fn of(&mut self, store: &MemoryStore, owner: Owner) -> (&mut Shard, Ticks) {
        let (shard, now) = self.guard(store, owner);
        (&mut **shard, now)
    }

    fn assess(
        &mut self,
        store: &MemoryStore,
        slot: &Slot<'_>,
        cost: u64,
        mut each: impl FnMut(Outcome),
    ) {
        let (shard, now) = self.of(store, slot.owner);
        let cell = shard.find(slot.owner, slot.variant, now);
        for &limit in slot.limits {
            each(shard.assess(cell.as_ref(), now, limit, slot.strategy, cost));
        }
    }
}

fn consumes(action: Action, allowed: bool) -> bool {
    match action {
        Action::Peek => false,
        Action::Consume => allowed,
        Action::Force => true,
    }
}
