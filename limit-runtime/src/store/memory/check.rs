//! A check of one budget: consumes its charge, or nothing.

use super::{
    budget_id::BudgetId, entry::Entry, memory_store::MemoryStore, planned_charge::PlannedCharge,
    shard::Shard,
};
use crate::{
    clock::Ticks,
    decision::{Decision, Outcome, Receipt, Remaining, StrictestOutcome},
    store::{Action, Charge},
    window::{
        Strategy,
        moving::{Outcomes, Query, Record, report_each},
    },
};
use limit_core::{Limit, MAX_LIMITS};
use std::slice;

/// How a check of one budget went.
enum Checked {
    /// Recorded at this time.
    Recorded(Ticks),
    /// Not recorded at this time, because it was refused, has no cost, or was a peek.
    Unrecorded(Ticks),
    /// The budget is new and has no room, or may have counts in a shared budget. Nothing was
    /// recorded, and what was reported is invalid.
    NoPlace,
}

impl MemoryStore {
    /// As [`Store::check`](crate::store::Store::check), but synchronous and without errors.
    pub(crate) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        if let [charge] = charges
            && is_of_one_budget(charge)
        {
            let decision = match action {
                Action::Consume => self.try_check(charge),
                Action::Peek | Action::Force => self.check_many(charge, action),
            };
            if let Some(decision) = decision {
                return decision;
            }
        }
        self.check_all(charges, action)
    }

    /// Consumes a charge of one budget. `None`: it has several budgets or no place, and nothing was
    /// recorded.
    #[inline]
    pub(crate) fn try_check(&self, charge: &Charge<'_>) -> Option<Decision> {
        if !is_of_one_budget(charge) {
            return None;
        }
        match charge.limits.len() {
            1 => self.consume_few::<1>(charge),
            2 => self.consume_few::<2>(charge),
            _ => self.check_many(charge, Action::Consume),
        }
    }

    /// Consumes a charge with `N` limits. `None`: it has no place, and nothing was recorded.
    #[inline(never)]
    fn consume_few<const N: usize>(&self, charge: &Charge<'_>) -> Option<Decision> {
        let (outcomes, checked) = self.outcomes::<N>(charge)?;
        let (now, is_consumed) = match checked {
            Checked::Recorded(now) => (now, true),
            // Only a charge without a cost is consumed and not recorded.
            Checked::Unrecorded(now) => (
                now,
                charge.cost == 0 && outcomes.iter().all(Outcome::is_allowed),
            ),
            Checked::NoPlace => return None,
        };
        // Nothing but this builds the decision, so that it is made where the caller wants it.
        let receipt = Receipt::of_cost(now.as_micros(), charge.cost);
        Some(Decision::of(outcomes, is_consumed.then_some(receipt)))
    }

    /// A check of a charge of one budget, with any limits.
    #[inline(never)]
    fn check_many(&self, charge: &Charge<'_>, action: Action) -> Option<Decision> {
        let mut decision = Decision::empty();
        let (limits, report) = (charge.limits.as_slice(), |_, outcome| {
            decision.push(outcome);
        });
        let (now, cost) = match self.check_budget::<MAX_LIMITS>(charge, limits, action, report) {
            Checked::Recorded(now) => (now, charge.cost),
            // Only a charge without a cost is consumed and not recorded.
            Checked::Unrecorded(now) if consumes(action, decision.is_allowed()) => (now, 0),
            Checked::Unrecorded(_) => return Some(decision),
            Checked::NoPlace => return None,
        };
        decision.push_receipt(Receipt::of_cost(now.as_micros(), cost));
        Some(decision)
    }

    /// The outcomes of a charge with few limits. Their numbers stay apart from each other until the
    /// check is done, and so in registers: copying a structure that has just been written takes
    /// longer than the check.
    #[inline(always)]
    fn outcomes<const N: usize>(&self, charge: &Charge<'_>) -> Option<([Outcome; N], Checked)> {
        let limits = *charge.limits.as_slice().first_chunk::<N>()?;
        let (mut remaining, mut reset_after, mut next_after) = ([0; N], [0; N], [0; N]);
        let (mut retry_after, mut capacity) = ([0; N], limits.map(Limit::count));
        let action = Action::Consume;
        let checked = self.check_budget::<N>(charge, &limits, action, |index, outcome| {
            if index < N {
                let left;
                (left, retry_after[index], capacity[index]) = outcome.into_parts();
                remaining[index] = left.remaining;
                reset_after[index] = left.reset_after;
                next_after[index] = left.next_after;
            }
        });
        let outcome = |index: usize| {
            let left = Remaining {
                remaining: remaining[index],
                reset_after: reset_after[index],
                next_after: next_after[index],
            };
            Outcome::from_parts(limits[index], left, retry_after[index], capacity[index])
        };
        Some((std::array::from_fn(outcome), checked))
    }

    /// Consumes a charge, and returns its strictest outcome. `None` if there are no limits.
    #[inline]
    pub(crate) fn strictest_outcome(&self, charge: &Charge<'_>) -> Option<StrictestOutcome> {
        let few = match charge.limits.len() {
            1 => self.strictest::<1>(charge),
            2 if is_of_one_budget(charge) => self.strictest::<2>(charge),
            _ => None,
        };
        few.or_else(|| StrictestOutcome::of(&self.check(slice::from_ref(charge), Action::Consume)))
    }

    /// Consumes a charge with `N` limits of one budget. `None`: it has no place, and nothing was
    /// recorded.
    #[inline(never)]
    fn strictest<const N: usize>(&self, charge: &Charge<'_>) -> Option<StrictestOutcome> {
        let (outcomes, checked) = self.outcomes::<N>(charge)?;
        let mut strictest = 0;
        for index in 1..N {
            if outcomes[index].rank() < outcomes[strictest].rank() {
                strictest = index;
            }
        }
        let charged_at = match checked {
            Checked::Recorded(now) => now.as_micros(),
            Checked::Unrecorded(_) => 0,
            Checked::NoPlace => return None,
        };
        Some(StrictestOutcome {
            outcome: outcomes[strictest],
            limit_index: u8::try_from(strictest).unwrap_or(u8::MAX),
            charged_at,
        })
    }

    /// A check of one budget under one lock.
    #[inline(always)]
    fn check_budget<const N: usize>(
        &self,
        charge: &Charge<'_>,
        limits: &[Limit],
        action: Action,
        mut report: impl FnMut(usize, Outcome),
    ) -> Checked {
        let id = BudgetId::new(charge.scope, charge.key);
        // Before the lock, to hold the lock for a shorter time.
        let reading = self.clock.now();
        self.sweep_if_due(reading);
        let index = self.index(id);
        let denial = self.denials.of(index, id);
        if N == 1
            && let &[limit] = limits
            && charge.cost == 1
            && action == Action::Consume
            && let Some(denial) = denial
            && let Some((reset_after, retry_after)) =
                denial.get(id, limit, charge.strategy, reading)
        {
            let left = Remaining {
                remaining: 0,
                reset_after,
                next_after: retry_after,
            };
            let outcome = Outcome::allowed(limit, charge.strategy.capacity(limit), left);
            report(0, outcome.refused(retry_after));
            return Checked::Unrecorded(reading);
        }
        let planned = PlannedCharge::new(charge, 0, id, limits);
        let query = self.query(&planned, planned.cost, record(action));
        let mut guard = self.shards[index].0.lock();
        let shard = &mut *guard;
        let now = self.now_of(index, shard, reading);
        let place = shard.find(id, planned.kind);
        let mut refusal = None;
        let report = |index, outcome: Outcome| {
            if !outcome.is_allowed() {
                refusal = Some((outcome.reset_after_micros(), outcome.retry_after_micros()));
            }
            report(index, outcome);
        };
        let checked = match place.ok().and_then(|place| shard.table.get_mut(place)) {
            Some(entry) if entry.counts_at(now) => {
                if entry.check::<N>(now, &planned, &query, report) {
                    Checked::Recorded(now)
                } else {
                    Checked::Unrecorded(now)
                }
            }
            _ => {
                let (checked, outcomes) =
                    self.begin::<N>(shard, place, planned, query, now, reading);
                report_each::<N>(&outcomes, report);
                checked
            }
        };
        if let Some(denial) = denial {
            match (&checked, refusal) {
                (Checked::Unrecorded(_), Some(waits)) if N == 1 && query.cost == 1 => {
                    if let &[limit] = query.limits {
                        let reading = shard.time.latest_reading();
                        denial.insert(id, limit, charge.strategy, waits, reading);
                    }
                }
                (Checked::NoPlace, _) => {}
                // Anything else: a request was recorded, or the ticks of the log may have changed.
                _ => denial.invalidate_if_of(id),
            }
        }
        checked
    }

    /// A check of a budget that has counted nothing.
    #[inline(never)]
    fn begin<const N: usize>(
        &self,
        shard: &mut Shard,
        place: Result<usize, usize>,
        planned: PlannedCharge<'_>,
        query: Query<'_>,
        now: Ticks,
        reading: Ticks,
    ) -> (Checked, Outcomes) {
        let mut outcomes = Outcomes::new();
        if place.is_err() && self.shared.0.are_remembered(reading.as_micros()) {
            return (Checked::NoPlace, outcomes);
        }
        let mut entry = Entry::empty(&planned);
        if !entry.check::<N>(now, &planned, &query, |_, outcome| outcomes.push(outcome)) {
            // A peek of a key without a place sees the shared budget.
            let sees_shared = place.is_err() && self.totals.0.is_full();
            let checked = if sees_shared {
                Checked::NoPlace
            } else {
                Checked::Unrecorded(now)
            };
            return (checked, outcomes);
        }
        match place {
            Ok(place) => shard.replace(place, entry, &self.totals.0),
            Err(_) => match self.make_room(shard, now, &[]) {
                Some(place) => shard.insert(entry, place),
                None => {
                    self.totals.0.heap.release(entry.heap_bytes());
                    return (Checked::NoPlace, outcomes);
                }
            },
        }
        (Checked::Recorded(now), outcomes)
    }
}

/// Whether all limits of a charge share one budget: under a counter, each has its own.
#[inline]
fn is_of_one_budget(charge: &Charge<'_>) -> bool {
    charge.strategy == Strategy::MovingWindow || charge.limits.len() == 1
}

/// Whether an action consumes charges of which all are allowed, or not.
pub(super) fn consumes(action: Action, allowed: bool) -> bool {
    match action {
        Action::Peek => false,
        Action::Consume => allowed,
        Action::Force => true,
    }
}

#[inline]
fn record(action: Action) -> Record {
    match action {
        Action::Consume => Record::IfAllowed,
        Action::Peek => Record::Never,
        Action::Force => Record::Always,
    }
}
