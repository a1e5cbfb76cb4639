//! A check of several budgets, or of new ones that have to share a budget: assesses all charges,
//! then records all or none.

use super::{
    budget_id::BudgetId,
    check::consumes,
    entry::Entry,
    lock_order::lock_in_order,
    memory_store::MemoryStore,
    planned_charge::{PerCharge, PlannedCharge, plan, shared_id},
    shard::Shard,
    totals::Place,
};
use crate::{
    clock::Ticks,
    decision::{Decision, Outcome, Receipt},
    store::{Action, Charge},
    window::moving::Record,
};
use parking_lot::MutexGuard;

/// Where a planned charge counts.
enum Target<'a> {
    /// In the entry of its budget.
    Own,
    /// In a new entry of its budget, which is not in the table yet. A peek takes no place.
    New(Entry, Option<Place<'a>>),
    /// In a shared budget.
    Shared(BudgetId),
    /// Where the earlier charge of this index counts, which is of the same budget.
    SameAs(usize),
}

/// The locked shards of a check, each with its current time.
struct Locked<'a>(PerCharge<(usize, (MutexGuard<'a, Shard>, Ticks))>);

impl MemoryStore {
    #[inline(never)]
    pub(super) fn check_all(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let plan = plan(charges);
        let is_sharing =
            self.totals.0.is_full() || self.shared.0.are_remembered(self.clock.now().as_micros());
        let decision = if is_sharing {
            None
        } else {
            self.try_all(&plan, charges, action, false)
        };
        // There may be no room for a new budget: lock the shared budgets as well.
        decision
            .or_else(|| self.try_all(&plan, charges, action, true))
            .unwrap_or_else(Decision::empty)
    }

    fn try_all(
        &self,
        plan: &[PlannedCharge<'_>],
        charges: &[Charge<'_>],
        action: Action,
        may_share: bool,
    ) -> Option<Decision> {
        let shared: PerCharge<BudgetId> = plan
            .iter()
            .filter(|_| may_share)
            .map(|planned| shared_id(planned, charges))
            .collect();
        let own = plan.iter().map(|planned| planned.id);
        let mut locked = self.lock(own.chain(shared.iter().copied()));
        // Another thread may have shared a budget since the decision to lock none.
        if !may_share && self.shared.0.are_remembered(self.clock.now().as_micros()) {
            return None;
        }
        let mut targets = self.targets(&mut locked, plan, &shared, action)?;
        let mut refused: PerCharge<usize> = PerCharge::new();
        let limits = plan.iter().map(|planned| planned.limits.len());
        let mut decision = Decision::for_limits(limits.sum());
        for (index, planned) in plan.iter().enumerate() {
            // Several charges of one budget: later ones include the cost of earlier ones.
            let earlier = plan.iter().take(index);
            let cost = earlier
                .filter(|earlier| earlier.is_same_budget(planned))
                // A cost of 0 is allowed if one unit is left after the other charges.
                .fold(planned.cost.max(1), |cost, earlier| {
                    cost.saturating_add(earlier.cost)
                });
            self.at_target(&mut locked, &mut targets, plan, index, |entry, now| {
                let query = self.query(planned, cost, Record::Never);
                let checked = entry.check_many(now, planned, &query);
                if !checked.is_allowed() {
                    refused.push(index);
                }
                for (&limit, &parts) in planned.limits.iter().zip(&checked.outcomes) {
                    let capacity = planned.strategy.capacity(limit);
                    decision.push(Outcome::from_parts(limit, capacity, parts));
                }
            });
        }
        let uses_shared = targets
            .iter()
            .any(|target| matches!(target, Target::Shared(_)));
        if uses_shared && action != Action::Peek {
            self.shared.0.was_shared(self.bounds.max_keys);
        }
        if !consumes(action, decision.is_allowed()) {
            if action != Action::Peek {
                for index in refused {
                    self.at_target(&mut locked, &mut targets, plan, index, |entry, _| {
                        entry.mark_refused();
                    });
                }
            }
            for (target, planned) in targets.into_iter().zip(plan) {
                self.mark_shared(&mut locked, &target, planned);
                self.discard(target);
            }
            return Some(decision);
        }
        let mut receipts: PerCharge<Receipt> =
            charges.iter().map(|_| Receipt::of_cost(0, 0)).collect();
        for (index, planned) in plan.iter().enumerate() {
            let (_, own_now) = locked.of(self.index(planned.id));
            let counted_at = self
                .at_target(&mut locked, &mut targets, plan, index, |entry, now| {
                    let query = self.query(planned, planned.cost, Record::Always);
                    entry.check_many(now, planned, &query);
                    now
                })
                .unwrap_or(own_now);
            if let Some(receipt) = receipts.get_mut(planned.charge) {
                *receipt = Receipt::of_cost(counted_at.as_micros(), planned.cost);
            }
        }
        let mut outcomes = decision.outcomes_mut().iter_mut();
        for (index, planned) in plan.iter().enumerate() {
            self.at_target(&mut locked, &mut targets, plan, index, |entry, now| {
                let query = self.query(planned, 0, Record::Never);
                let after = entry.check_many(now, planned, &query).outcomes;
                for (_, after) in planned.limits.iter().zip(after) {
                    if let Some(outcome) = outcomes.next() {
                        outcome.update(after.left);
                    }
                }
            });
        }
        self.keep(&mut locked, targets, plan);
        Some(decision.with_receipts(receipts))
    }

    /// Where each charge counts. A new budget has a place of its own if there is room, and counts
    /// in a shared budget otherwise. `None` if sharing is necessary and the shared budgets are not
    /// locked.
    fn targets<'s>(
        &'s self,
        locked: &mut Locked<'_>,
        plan: &[PlannedCharge<'_>],
        shared: &[BudgetId],
        action: Action,
    ) -> Option<PerCharge<Target<'s>>> {
        let own = plan.iter().map(|planned| planned.id);
        let keep: PerCharge<BudgetId> = own.chain(shared.iter().copied()).collect();
        let mut targets = PerCharge::new();
        for (index, planned) in plan.iter().enumerate() {
            let mut earlier = plan.iter().take(index);
            if let Some(same) = earlier.position(|earlier| earlier.is_same_budget(planned)) {
                targets.push(Target::SameAs(same));
                continue;
            }
            let (shard, here) = locked.of(self.index(planned.id));
            if let Some(entry) = shard.get_mut(planned.id, planned.kind) {
                if !entry.counts_at(here) {
                    entry.restart(*planned, &self.totals.0.heap);
                }
                targets.push(Target::Own);
                continue;
            }
            let consumes =
                |other: &PlannedCharge<'_>| other.cost > 0 && other.is_same_budget(planned);
            let is_peek = action == Action::Peek || !plan.iter().any(consumes);
            let place = if is_peek {
                self.can_make_room(shard, here, &keep).then_some(None)
            } else {
                self.make_room(shard, here, &keep).map(Some)
            };
            targets.push(match (place, shared.get(index)) {
                (Some(place), None) => Target::New(Entry::empty(planned), place),
                (Some(place), Some(&shared)) => {
                    let (shard, there) = locked.of(self.index(shared));
                    let from = shard.get(shared, planned.kind);
                    let (entries, heap) = (self.bounds.log_entries, &self.totals.0.heap);
                    let entry = Entry::inherited(planned, from, there, here, entries, heap);
                    Target::New(entry, place)
                }
                (None, Some(&shared)) => {
                    let (shard, there) = locked.of(self.index(shared));
                    let exists = shard
                        .get(shared, planned.kind)
                        .is_some_and(|it| it.counts_at(there));
                    if is_peek && !exists {
                        Target::New(Entry::empty(planned), None)
                    } else {
                        self.begin_shared(locked, planned, shared);
                        Target::Shared(shared)
                    }
                }
                (None, None) => return None,
            });
        }
        Some(targets)
    }

    /// Makes sure that a shared budget has an entry that has not expired, or is empty.
    fn begin_shared(&self, locked: &mut Locked<'_>, planned: &PlannedCharge<'_>, id: BudgetId) {
        let (shard, now) = locked.of(self.index(id));
        let planned = PlannedCharge { id, ..*planned };
        match shard.get_mut(id, planned.kind) {
            None => {
                let mut empty = Entry::empty(&planned);
                empty.mark_shared();
                shard.insert(empty, self.totals.0.take_shared_place());
            }
            Some(entry) if !entry.counts_at(now) => {
                entry.restart(planned, &self.totals.0.heap);
                entry.mark_shared();
            }
            Some(_) => {}
        }
    }

    /// Calls `change` with the entry in which a charge counts, and its time.
    fn at_target<T>(
        &self,
        locked: &mut Locked<'_>,
        targets: &mut [Target<'_>],
        plan: &[PlannedCharge<'_>],
        index: usize,
        change: impl FnOnce(&mut Entry, Ticks) -> T,
    ) -> Option<T> {
        let planned = plan.get(index)?;
        let id = match targets.get_mut(index)? {
            Target::SameAs(earlier) => {
                let earlier = *earlier;
                return self.at_target(locked, targets, plan, earlier, change);
            }
            Target::New(entry, _) => {
                let (_, now) = locked.of(self.index(planned.id));
                return Some(change(entry, now));
            }
            Target::Own => planned.id,
            Target::Shared(id) => *id,
        };
        let (shard, now) = locked.of(self.index(id));
        Some(change(shard.get_mut(id, planned.kind)?, now))
    }

    /// Marks the entry of a shared budget again after a change, and remembers it while it counts.
    fn mark_shared(
        &self,
        locked: &mut Locked<'_>,
        target: &Target<'_>,
        planned: &PlannedCharge<'_>,
    ) {
        if let Target::Shared(id) = *target {
            let (shard, _) = locked.of(self.index(id));
            if let Some(entry) = shard.get_mut(id, planned.kind) {
                entry.mark_shared();
                let expires_at = entry.expires_at;
                self.shared.0.remember(shard.time.to_reading(expires_at));
            }
        }
    }

    /// Drops a new entry that is not needed.
    fn discard(&self, target: Target<'_>) {
        if let Target::New(entry, _) = target {
            self.totals.0.heap.release(entry.heap_bytes());
        }
    }

    /// Puts new entries into their tables.
    fn keep(
        &self,
        locked: &mut Locked<'_>,
        targets: PerCharge<Target<'_>>,
        plan: &[PlannedCharge<'_>],
    ) {
        for (target, planned) in targets.into_iter().zip(plan) {
            self.mark_shared(locked, &target, planned);
            match target {
                Target::New(entry, Some(place)) => {
                    let (shard, _) = locked.of(self.index(planned.id));
                    shard.insert(entry, place);
                }
                target @ Target::New(_, None) => self.discard(target),
                Target::Own | Target::SameAs(_) | Target::Shared(_) => {}
            }
        }
    }

    /// Locks the shards of these budgets in ascending order, which prevents deadlocks.
    fn lock(&self, ids: impl Iterator<Item = BudgetId>) -> Locked<'_> {
        let mut shards = lock_in_order(ids.map(|id| self.index(id)), |index| {
            (self.shards[index].0.lock(), Ticks::default())
        });
        let reading = self.clock.now();
        for (index, (shard, now)) in &mut shards {
            self.denials.invalidate(*index);
            *now = self.now_of(*index, shard, reading);
        }
        Locked(shards)
    }
}

impl Locked<'_> {
    /// A shard that is locked, by its index.
    fn of(&mut self, index: usize) -> (&mut Shard, Ticks) {
        let place = self.0.iter().position(|(locked, ..)| *locked == index);
        let (_, (shard, now)) = &mut self.0[place.unwrap_or(0)];
        (&mut **shard, *now)
    }
}
