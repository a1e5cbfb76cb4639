//! The answer to a charge, in short.

use super::{
    decision::{Decision, strictest},
    outcome::Outcome,
    receipt::Receipt,
};

/// The strictest outcome of a charge: all that the headers of an admitted request need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StrictestOutcome {
    /// The outcome that [`Decision::strictest`](super::Decision::strictest) returns.
    pub(crate) outcome: Outcome,
    /// The index of its limit among those of the charge.
    pub(crate) limit_index: u8,
    /// When the charge was counted, by the store's clock, if it was allowed.
    pub(crate) charged_at: u64,
}

impl StrictestOutcome {
    /// `None` if there are no limits.
    pub(crate) fn of(decision: &Decision) -> Option<Self> {
        let index = strictest(decision.outcomes().iter())?;
        Some(Self {
            outcome: *decision.outcomes().get(index)?,
            limit_index: u8::try_from(index).ok()?,
            charged_at: decision.receipts().first().map_or(0, Receipt::at),
        })
    }
}
