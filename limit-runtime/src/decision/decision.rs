//! The result of a check.

use super::{
    outcome::Outcome,
    receipt::Receipt,
    rounding::{whole_millis, whole_seconds},
};
use smallvec::SmallVec;
use std::{mem, time::Duration};

/// The result of a check: whether the request is allowed, and the outcome of each limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    outcomes: Outcomes,
    receipts: SmallVec<[Receipt; 2]>,
    /// Whether all outcomes are allowed.
    is_allowed: bool,
}

/// Inline for up to two limits, which most checks have, so that a decision is cheap to move.
type Outcomes = SmallVec<[Outcome; 2]>;

impl Decision {
    /// A decision from the outcome of each limit, in the order in which the limits were given.
    #[must_use]
    pub fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let outcomes: Outcomes = outcomes.into_iter().collect();
        Self {
            is_allowed: outcomes.iter().all(Outcome::is_allowed),
            outcomes,
            receipts: SmallVec::new(),
        }
    }

    /// The decision with all outcomes allowed, for a request that is admitted in spite of them.
    pub(crate) fn into_allowed(mut self) -> Self {
        for outcome in &mut self.outcomes {
            *outcome = outcome.into_allowed();
        }
        self.is_allowed = true;
        self
    }

    /// The decision that a peek at one unit gives right after this one.
    pub(crate) fn peeked(&self) -> Self {
        Self::new(self.outcomes.iter().map(Outcome::peeked))
    }

    /// The decision on one charge, with its receipt if it was consumed.
    #[inline(always)]
    pub(crate) fn of<const N: usize>(outcomes: [Outcome; N], receipt: Option<Receipt>) -> Self {
        let mut decision = Self::empty();
        for outcome in outcomes {
            decision.push(outcome);
        }
        if let Some(receipt) = receipt {
            decision.push_receipt(receipt);
        }
        decision
    }

    /// A decision without outcomes, to be filled.
    #[inline]
    pub(crate) fn empty() -> Self {
        Self {
            outcomes: SmallVec::new(),
            receipts: SmallVec::new(),
            is_allowed: true,
        }
    }

    /// A decision with room for the outcomes of this number of limits, to be filled.
    #[inline]
    pub(crate) fn for_limits(limits: usize) -> Self {
        Self {
            outcomes: SmallVec::with_capacity(limits),
            ..Self::empty()
        }
    }

    /// Adds the outcome of one more limit.
    #[inline]
    pub(crate) fn push(&mut self, outcome: Outcome) {
        self.is_allowed &= outcome.is_allowed();
        self.outcomes.push(outcome);
    }

    /// Adds the receipt of one more charge.
    #[inline]
    pub(crate) fn push_receipt(&mut self, receipt: Receipt) {
        self.receipts.push(receipt);
    }

    /// The outcomes, to be [updated](Outcome::update) once the charges are recorded.
    pub(crate) fn outcomes_mut(&mut self) -> &mut [Outcome] {
        &mut self.outcomes
    }

    /// Adds a receipt for each charge, in the order of the charges.
    #[must_use]
    pub fn with_receipts(mut self, receipts: impl IntoIterator<Item = Receipt>) -> Self {
        self.receipts = receipts.into_iter().collect();
        self
    }

    /// Takes the receipts out of the decision.
    pub(crate) fn take_receipts(&mut self) -> SmallVec<[Receipt; 2]> {
        mem::take(&mut self.receipts)
    }

    /// A receipt for each charge, in the order of the charges. Empty if nothing was consumed.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Whether all limits allowed the request. If not, nothing was consumed from any of them,
    /// except by a [forced](crate::store::Action::Force) charge.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    /// The outcome of each limit, in the order of the limits.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The time until all limits have room for the refused request. `None` if it was allowed, or if
    /// its cost exceeds the capacity of a limit.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.exceeds_capacity() {
            return None;
        }
        self.outcomes.iter().filter_map(Outcome::retry_after).max()
    }

    /// [`retry_after`](Self::retry_after) in whole seconds, rounded up and never 0.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after().map(|wait| whole_seconds(wait).max(1))
    }

    /// [`retry_after`](Self::retry_after) in whole milliseconds, rounded up and never 0.
    #[must_use]
    pub fn retry_after_millis(&self) -> Option<u64> {
        self.retry_after().map(|wait| whole_millis(wait).max(1))
    }

    /// Whether the cost of the refused request exceeds the capacity of a limit, so that no wait
    /// helps.
    #[must_use]
    pub fn exceeds_capacity(&self) -> bool {
        self.outcomes.iter().any(Outcome::exceeds_capacity)
    }

    /// The outcome that matters most to the client: of the limits that refused, the one with the
    /// longest wait; if none refused, the one with the fewest units remaining, and of equal ones
    /// the one that takes longest to grow. `None` if there are no limits.
    ///
    /// Units are numbers here, whatever they are of: a decision on limits that count requests and
    /// tokens compares them.
    #[must_use]
    pub fn strictest(&self) -> Option<&Outcome> {
        self.outcomes.get(strictest(self.outcomes.iter())?)
    }
}

/// The index of the outcome that matters most to the client; see [`Decision::strictest`].
pub(crate) fn strictest<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Option<usize> {
    let ranked = outcomes.map(Outcome::rank).enumerate();
    ranked.min_by_key(|&(_, rank)| rank).map(|(index, _)| index)
}
