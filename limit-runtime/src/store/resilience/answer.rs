//! The answer to a check, of the store or of the fallback.

use super::local_counts::LocalCharge;
use crate::{
    decision::{Decision, LateCount, Receipt},
    store::charge::Charge,
};
use smallvec::SmallVec;
use std::{iter, sync::Arc};

/// A decision, and where it is from.
pub(super) struct Answer {
    pub(super) answer: Decision,
    pub(super) is_from_store: bool,
}

impl Answer {
    pub(super) fn of_store(answer: Decision) -> Self {
        Self {
            answer,
            is_from_store: true,
        }
    }

    pub(super) fn of_fallback(answer: Decision) -> Self {
        Self {
            answer,
            is_from_store: false,
        }
    }
}

/// What shows when the store has counted each of several charges, as far as it may still do so.
pub(super) type LateCounts = SmallVec<[Option<Arc<LateCount>>; 2]>;

/// The decision of a fallback, with the receipts that `add` makes of those of charges that the
/// store may still count.
pub(super) fn with_late_counts(
    mut decision: Decision,
    counts: LateCounts,
    add: fn(&Receipt, Arc<LateCount>) -> Receipt,
) -> Decision {
    let receipts = decision.take_receipts().into_iter();
    let counts = counts.into_iter().chain(iter::repeat(None));
    decision.with_receipts(receipts.zip(counts).map(|(receipt, count)| match count {
        Some(count) => add(&receipt, count),
        None => receipt,
    }))
}

/// The decision of a store that has consumed `charges`: makes the charge on the local counts
/// permanent, limits each receipt to the cost of its charge, and adds that of the local counts.
pub(super) fn consumed(
    charges: &[Charge<'_>],
    mut decision: Decision,
    local_charge: Option<LocalCharge<'_>>,
) -> Decision {
    let local = local_charge.and_then(LocalCharge::commit);
    let local = local.as_ref().map_or(&[][..], Decision::receipts);
    let receipts = decision.take_receipts().into_iter().zip(charges);
    let receipts = receipts.enumerate().map(|(index, (receipt, charge))| {
        let receipt = receipt.with_cost(charge.cost);
        match local.get(index) {
            Some(local) => receipt.with_local(local),
            None => receipt,
        }
    });
    decision.with_receipts(receipts)
}
