//! A check of one budget: consumes its charge, or nothing.

use super::{
    budget_id::BudgetId, entry::Entry, memory_store::MemoryStore, planned_charge::PlannedCharge,
    shard::Shard,
};
use crate::{
    clock::Ticks,
    decision::{Decision, Outcome, OutcomeParts, Receipt, Remaining, StrictestOutcome},
    store::{Action, Charge},
    window::{Checked, Strategy, moving::Record},
};
use limit_core::{Limit, MAX_LIMITS};
use std::slice;

impl MemoryStore {
    /// As [`Store::check`](crate::store::Store::check), but synchronous and without errors.
    pub(crate) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let checked = match charges {
            [charge] if action == Action::Consume => self.try_check(charge),
            [charge] => self.check_many(charge, action),
            _ => None,
        };
        checked.unwrap_or_else(|| self.check_all(charges, action))
    }

    /// Consumes one charge. Always a decision: it is made as an option, because it would have to be
    /// copied into one.
    #[inline]
    pub(crate) fn try_check(&self, charge: &Charge<'_>) -> Option<Decision> {
        match (charge.limits.len(), is_usual(charge)) {
            (1, true) => self.consume_few::<1, true>(charge),
            (2, true) => self.consume_few::<2, true>(charge),
            (1, false) => self.consume_few::<1, false>(charge),
            _ => self.consume_many(charge),
        }
    }

    /// Consumes a charge with `N` limits of one budget, which is a [usual](is_usual) one or any.
    #[inline(never)]
    fn consume_few<const N: usize, const USUAL: bool>(
        &self,
        charge: &Charge<'_>,
    ) -> Option<Decision> {
        let (cost, strategy) = if USUAL {
            USUAL_CHARGE
        } else {
            (charge.cost, charge.strategy)
        };
        let Some((limits, checked, now)) = self.check_few::<N>(charge, cost, strategy) else {
            return self.consume_all(*charge);
        };
        // Only a charge without a cost is consumed and not recorded.
        let is_consumed = checked.is_recorded || (cost == 0 && checked.is_allowed());
        // Nothing but this builds the decision, so that it is made where the caller wants it.
        let receipt = Receipt::of_cost(now.as_micros(), cost);
        let outcomes = outcomes(strategy, limits, &checked);
        Some(Decision::of(outcomes, is_consumed.then_some(receipt)))
    }

    /// Consumes a charge with any limits.
    #[inline(never)]
    fn consume_many(&self, charge: &Charge<'_>) -> Option<Decision> {
        let checked = self.check_many(charge, Action::Consume);
        checked.or_else(|| self.consume_all(*charge))
    }

    /// Consumes a charge that has several budgets or no place.
    #[cold]
    #[inline(never)]
    fn consume_all(&self, charge: Charge<'_>) -> Option<Decision> {
        Some(self.check_all(slice::from_ref(&charge), Action::Consume))
    }

    /// A check of a charge with any limits. `None`: it has several budgets or no place, and nothing
    /// was recorded.
    #[inline(never)]
    fn check_many(&self, charge: &Charge<'_>, action: Action) -> Option<Decision> {
        // Under a counter, each limit has a budget of its own.
        if charge.strategy != Strategy::MovingWindow && charge.limits.len() > 1 {
            return None;
        }
        let limits = charge.limits.as_slice();
        let (cost, strategy) = (charge.cost, charge.strategy);
        let (checked, now) =
            self.check_budget::<MAX_LIMITS>(charge, cost, strategy, limits, action)?;
        let mut decision = Decision::for_limits(limits.len());
        for (&limit, &parts) in limits.iter().zip(&checked.outcomes) {
            let capacity = charge.strategy.capacity(limit);
            decision.push(Outcome::from_parts(limit, capacity, parts));
        }
        if consumes(action, decision.is_allowed()) {
            // Only a charge without a cost is consumed and not recorded.
            let cost = if checked.is_recorded { charge.cost } else { 0 };
            decision.push_receipt(Receipt::of_cost(now.as_micros(), cost));
        }
        Some(decision)
    }

    /// Consumes a charge, and returns its strictest outcome. `None` if there are no limits.
    #[inline]
    pub(crate) fn strictest_outcome(&self, charge: &Charge<'_>) -> Option<StrictestOutcome> {
        match (charge.limits.len(), is_usual(charge)) {
            (1, true) => self.strictest_of_few::<1>(charge),
            (2, true) => self.strictest_of_few::<2>(charge),
            _ => StrictestOutcome::of(&self.try_check(charge)?),
        }
    }

    /// Consumes a [usual](is_usual) charge with `N` limits.
    #[inline(never)]
    #[expect(
        clippy::needless_range_loop,
        reason = "constant indices, once it is unrolled"
    )]
    fn strictest_of_few<const N: usize>(&self, charge: &Charge<'_>) -> Option<StrictestOutcome> {
        let (cost, strategy) = USUAL_CHARGE;
        let Some((limits, checked, now)) = self.check_few::<N>(charge, cost, strategy) else {
            return StrictestOutcome::of(&self.consume_all(*charge)?);
        };
        let outcomes = outcomes(strategy, limits, &checked);
        // Not its index alone: for that, all outcomes would have to be in memory.
        let (mut outcome, mut limit_index) = (outcomes[0], 0);
        for index in 1..N {
            if outcomes[index].rank() < outcome.rank() {
                (outcome, limit_index) = (outcomes[index], u8::try_from(index).unwrap_or(u8::MAX));
            }
        }
        Some(StrictestOutcome {
            outcome,
            limit_index,
            charged_at: if checked.is_recorded {
                now.as_micros()
            } else {
                0
            },
        })
    }

    /// Consumes a charge with `N` limits of one budget. `None`: it has no place, and nothing was
    /// recorded.
    #[inline(always)]
    fn check_few<const N: usize>(
        &self,
        charge: &Charge<'_>,
        cost: u64,
        strategy: Strategy,
    ) -> Option<([Limit; N], Checked<N>, Ticks)> {
        let limits = charge.limits.as_slice().first_chunk::<N>()?;
        let (checked, now) =
            self.check_budget::<N>(charge, cost, strategy, limits, Action::Consume)?;
        Some((*limits, checked, now))
    }

    /// A check of one budget with up to `N` limits, under one lock. Returns its time, too. `None`:
    /// the budget is new and has no room, or may have counts in a shared budget; nothing was
    /// recorded.
    ///
    /// Cost and strategy are those of the charge, which the compiler knows if they are usual.
    #[inline(always)]
    fn check_budget<const N: usize>(
        &self,
        charge: &Charge<'_>,
        cost: u64,
        strategy: Strategy,
        limits: &[Limit],
        action: Action,
    ) -> Option<(Checked<N>, Ticks)> {
        let id = BudgetId::new(charge.scope, charge.key);
        // Before the lock, to hold the lock for a shorter time.
        let reading = self.clock.now();
        self.sweep_if_due(reading);
        let index = self.index(id);
        let denial = self.denials.of(index, id);
        // The limit of which a denial is cached.
        let cached = match *limits {
            [limit] if N == 1 && cost == 1 && action == Action::Consume => Some(limit),
            _ => None,
        };
        if let (Some(limit), Some(denial)) = (cached, denial)
            && let Some((reset_after, retry_after)) = denial.get(id, limit, strategy, reading)
        {
            let left = Remaining {
                remaining: 0,
                reset_after,
                next_after: retry_after,
            };
            let outcomes = [OutcomeParts { left, retry_after }; N];
            let is_recorded = false;
            let checked = Checked {
                is_recorded,
                outcomes,
            };
            return Some((checked, reading));
        }
        let scale = charge.limits.scale();
        let planned = PlannedCharge::new(0, id, limits, scale, cost, strategy);
        let query = self.query(&planned, planned.cost, record(action));
        let mut guard = self.shards[index].0.lock();
        let shard = &mut *guard;
        let now = self.now_of(index, shard, reading);
        let place = match shard.find(id, planned.kind) {
            Ok(place) => place,
            Err(_) => match self.begin(shard, planned, action, now, reading) {
                Ok(place) => place,
                Err(unrecorded) => return Some((unrecorded?.resized(), now)),
            },
        };
        let entry = shard.table.get_mut(place)?;
        if !entry.counts_at(now) {
            entry.restart(planned, &self.totals.0.heap);
        }
        let checked = entry.check::<N>(now, &planned, &query);
        if let Some(denial) = denial {
            match (cached, checked.outcomes.first()) {
                (Some(limit), Some(outcome)) if !outcome.is_allowed() => {
                    let waits = (outcome.left.reset_after, outcome.retry_after);
                    let reading = shard.time.latest_reading();
                    denial.insert(id, limit, strategy, waits, reading);
                }
                // A request was recorded, or the ticks of the log may have changed.
                _ => denial.invalidate_if_of(id),
            }
        }
        Some((checked, now))
    }

    /// Begins a budget that has no entry: makes a place for it, with an empty entry that lasts for
    /// this check if nothing is recorded.
    ///
    /// # Errors
    /// The outcomes, if the request is not recorded. `None`: there is no room, or the budget may
    /// have counts in a shared budget.
    #[inline(never)]
    #[expect(clippy::result_large_err, reason = "it is rare, and matched at once")]
    fn begin(
        &self,
        shard: &mut Shard,
        planned: PlannedCharge<'_>,
        action: Action,
        now: Ticks,
        reading: Ticks,
    ) -> Result<usize, Option<Checked<MAX_LIMITS>>> {
        // Made again: the caller's would have to be in memory if it were passed.
        let query = self.query(&planned, planned.cost, record(action));
        if self.shared.0.are_remembered(reading.as_micros()) {
            return Err(None);
        }
        let fits = |&limit: &Limit| query.cost <= planned.strategy.capacity(limit).get();
        let is_recorded = match query.record {
            Record::Never => false,
            Record::IfAllowed => planned.limits.iter().all(fits),
            Record::Always => true,
        };
        if !is_recorded {
            // A peek of a key without a place sees the shared budget.
            let sees_own = !self.totals.0.is_full();
            return Err(sees_own.then(|| Entry::empty(&planned).check_many(now, &planned, &query)));
        }
        let place = self.make_room(shard, now, &[]).ok_or(None)?;
        let mut entry = Entry::empty(&planned);
        entry.expires_at = now.as_micros() + 1;
        Ok(shard.insert(entry, place))
    }
}

/// Whether a charge is of one unit under the moving window, as most are.
#[inline]
fn is_usual(charge: &Charge<'_>) -> bool {
    (charge.cost, charge.strategy) == USUAL_CHARGE
}

/// Cost and strategy of a [usual](is_usual) charge.
const USUAL_CHARGE: (u64, Strategy) = (1, Strategy::MovingWindow);

/// The outcomes of limits from their numbers.
#[inline(always)]
fn outcomes<const N: usize>(
    strategy: Strategy,
    limits: [Limit; N],
    checked: &Checked<N>,
) -> [Outcome; N] {
    std::array::from_fn(|index| {
        let (limit, parts) = (limits[index], checked.outcomes[index]);
        Outcome::from_parts(limit, strategy.capacity(limit), parts)
    })
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
