//! The parts of a check: one planned charge for each budget that it reads or writes.

use super::{budget_id::BudgetId, kind::Kind};
use crate::{
    decision::recorded_cost,
    store::Charge,
    window::{
        Strategy,
        moving::{HeapBudget, Query, Record, Scale},
    },
};
use limit_core::Limit;
use smallvec::SmallVec;

/// Most checks have one or two charges; more are stored on the heap.
pub(super) type PerCharge<T> = SmallVec<[T; 2]>;

/// One limit of a charge, or all limits of a charge that share one log.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedCharge<'a> {
    pub(super) id: BudgetId,
    pub(super) kind: Kind,
    pub(super) limits: &'a [Limit],
    /// Of the limits, for a log.
    pub(super) scale: Scale,
    pub(super) cost: u64,
    pub(super) strategy: Strategy,
    /// The place of its charge in the check.
    pub(super) charge: usize,
}

impl<'a> PlannedCharge<'a> {
    /// The planned charge of these limits of the charge with this number, under a scale of all its
    /// limits.
    #[inline(always)]
    pub(super) fn new(
        charge: usize,
        id: BudgetId,
        limits: &'a [Limit],
        scale: Scale,
        cost: u64,
        strategy: Strategy,
    ) -> Self {
        let window = limits.first().map_or(1, |limit| limit.window_millis());
        Self {
            id,
            kind: Kind::new(strategy, window),
            limits,
            scale,
            cost: recorded_cost(cost),
            strategy,
            charge,
        }
    }

    pub(super) fn is_same_budget(&self, other: &Self) -> bool {
        self.id == other.id && self.kind == other.kind
    }

    /// The query of a log. A cost of zero is not recorded.
    #[inline]
    pub(super) fn query<'q>(
        &'q self,
        cost: u64,
        record: Record,
        entries: u32,
        heap: &'q HeapBudget,
    ) -> Query<'q> {
        Query {
            limits: self.limits,
            cost,
            record: if cost == 0 { Record::Never } else { record },
            entries,
            scale: self.scale,
            heap,
        }
    }
}

/// The planned charges of a check, one for each budget.
pub(super) fn plan<'a>(charges: &[Charge<'a>]) -> PerCharge<PlannedCharge<'a>> {
    let mut plan = PerCharge::new();
    for (index, charge) in charges.iter().enumerate() {
        let id = BudgetId::new(charge.scope, charge.key);
        let limits = charge.limits.as_slice();
        let together = match charge.strategy {
            Strategy::MovingWindow => limits.len(),
            _ => 1,
        };
        for limits in limits.chunks(together) {
            let scale = charge.limits.scale();
            let planned =
                PlannedCharge::new(index, id, limits, scale, charge.cost, charge.strategy);
            plan.push(planned);
        }
    }
    plan
}

/// The shared budget that a planned charge uses when there is no room for its own.
pub(super) fn shared_id(planned: &PlannedCharge<'_>, charges: &[Charge<'_>]) -> BudgetId {
    charges.get(planned.charge).map_or(planned.id, |charge| {
        BudgetId::shared(charge.scope, charge.key)
    })
}
