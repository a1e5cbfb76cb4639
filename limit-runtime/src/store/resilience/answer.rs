//! The answer to a check, of the store or of the fallback.

use crate::{
    decision::{Decision, Receipt},
    store::charge::Charge,
};

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

/// Limits each receipt of the store's decision to the cost of its charge, and adds the receipt of
/// the local counts if they have one.
pub(super) fn with_receipts_for(
    charges: &[Charge<'_>],
    mut decision: Decision,
    local: &[Receipt],
) -> Decision {
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
