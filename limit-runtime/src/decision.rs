//! What a check answers.

use crate::store::Charge;
use limit_core::Limit;
use smallvec::SmallVec;
use std::time::Duration;

/// The answer to a check: whether the request may go on, and how each limit stands after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    outcomes: Outcomes,
    receipts: SmallVec<[Receipt; 2]>,
}

/// Most checks have one limit or two; more spill to the heap, so that a decision is cheap to move.
type Outcomes = SmallVec<[Outcome; 2]>;

/// When a store counted a charge, on the store's own clock: what it needs to give the charge back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    at: u64,
    /// When the shadow of a remote store counted it; [`NOWHERE`](Self::NOWHERE) if it did not.
    shadow: u64,
}

impl Receipt {
    const NOWHERE: u64 = u64::MAX;

    /// For a charge that was counted at `at`.
    #[must_use]
    pub const fn new(at: u64) -> Self {
        Self {
            at,
            shadow: Self::NOWHERE,
        }
    }

    /// When the store counted it.
    #[must_use]
    pub const fn at(self) -> u64 {
        self.at
    }

    /// The same, for a charge that the shadow counted as `own` says.
    pub(crate) fn with_shadow(self, own: Self) -> Self {
        Self {
            shadow: own.at,
            ..self
        }
    }

    /// For a charge that only the shadow counted, as `self` says.
    pub(crate) fn shadow_only(self) -> Self {
        Self {
            at: Self::NOWHERE,
            shadow: self.at,
        }
    }

    pub(crate) fn is_shadow_only(self) -> bool {
        self.at == Self::NOWHERE
    }

    /// What the shadow needs to give the charge back, if it counted it.
    pub(crate) fn shadow(self) -> Option<Self> {
        (self.shadow != Self::NOWHERE).then(|| Self::new(self.shadow))
    }
}

impl Decision {
    /// A decision from the outcome of each limit, in the order in which the limits were given.
    #[must_use]
    pub fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self {
            outcomes: outcomes.into_iter().collect(),
            receipts: SmallVec::new(),
        }
    }

    /// What a limiter answers that is switched off: all is allowed, and nothing was ever consumed.
    pub(crate) fn untouched(charges: &[Charge<'_>]) -> Self {
        let limits = charges.iter().flat_map(|charge| charge.limits.iter());
        Self::new(limits.map(|&limit| Outcome {
            limit,
            remaining: limit.count().get(),
            reset_after: Duration::ZERO,
            verdict: Verdict::Allowed,
        }))
    }

    /// The same standings, for a request that may go on in spite of them.
    pub(crate) fn into_allowed(mut self) -> Self {
        for outcome in &mut self.outcomes {
            outcome.verdict = Verdict::Allowed;
        }
        self
    }

    /// A decision that is yet to be filled.
    pub(crate) const fn empty() -> Self {
        Self {
            outcomes: SmallVec::new_const(),
            receipts: SmallVec::new_const(),
        }
    }

    /// Adds the outcome of one more limit.
    #[inline]
    pub(crate) fn push(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// Adds the receipt of one more charge.
    #[inline]
    pub(crate) fn push_receipt(&mut self, receipt: Receipt) {
        self.receipts.push(receipt);
    }

    /// The outcomes, to be brought up to date once all is recorded.
    pub(crate) fn outcomes_mut(&mut self) -> &mut [Outcome] {
        &mut self.outcomes
    }

    /// The same, with a receipt for each charge that was consumed.
    #[must_use]
    pub fn with_receipts(mut self, receipts: impl IntoIterator<Item = Receipt>) -> Self {
        self.receipts = receipts.into_iter().collect();
        self
    }

    /// A receipt for each charge, in the order in which they were given; empty if nothing was consumed.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Whether every limit allowed the request. If not, it consumed nothing from any of them
    /// (but for a [forced](crate::store::Action::Force) charge).
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcomes
            .iter()
            .all(|outcome| outcome.verdict == Verdict::Allowed)
    }

    /// How each limit stands, in the order in which the limits were given.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// How long the rejected request has to wait until every limit has room for it.
    /// `None` if it was allowed, or if its cost can never fit.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.can_never_fit() {
            return None;
        }
        self.outcomes.iter().filter_map(Outcome::retry_after).max()
    }

    /// [`retry_after`](Self::retry_after) in whole seconds, rounded up and never 0: a client that waits
    /// them has waited long enough.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after().map(|wait| whole_seconds(wait).max(1))
    }

    /// [`retry_after`](Self::retry_after) in whole milliseconds, rounded up and never 0.
    #[must_use]
    pub fn retry_after_millis(&self) -> Option<u64> {
        self.retry_after().map(|wait| whole_millis(wait).max(1))
    }

    /// Whether the cost of the rejected request is above a limit's whole count, so that no wait helps.
    #[must_use]
    pub fn can_never_fit(&self) -> bool {
        self.outcomes
            .iter()
            .any(|outcome| outcome.verdict == Verdict::NeverFits)
    }

    /// The outcome a client should look at first: of those that refused, the one with the longest wait;
    /// if none did, the one with the least remaining. `None` if there were no limits.
    #[must_use]
    pub fn strictest(&self) -> Option<&Outcome> {
        self.outcomes.get(strictest(self.outcomes.iter())?)
    }
}

/// The place of the outcome a client should look at first; see [`Decision::strictest`].
pub(crate) fn strictest<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Option<usize> {
    let rank = |outcome: &Outcome| match outcome.verdict {
        Verdict::NeverFits => (0, 0, 0),
        Verdict::RetryAfter(wait) => (1, u128::MAX - wait.as_micros(), 0),
        Verdict::Allowed => (
            2,
            u128::from(outcome.remaining),
            u64::MAX - outcome.limit.window_millis(),
        ),
    };
    let ranked = outcomes.map(rank).enumerate();
    ranked.min_by_key(|&(_, rank)| rank).map(|(index, _)| index)
}

/// How one limit stands after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The limit.
    pub limit: Limit,
    /// What is left of its count.
    pub remaining: u32,
    /// The time until all of its count is available again, if nothing else is consumed.
    pub reset_after: Duration,
    /// Whether it had room.
    pub verdict: Verdict,
}

impl Outcome {
    /// How long to wait until this limit has room; `None` if it had, or never will.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::RetryAfter(wait) => Some(wait),
            Verdict::Allowed | Verdict::NeverFits => None,
        }
    }
}

/// Whether one limit had room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It had room.
    Allowed,
    /// It has room after this time, and not a tick sooner, if nobody else consumes.
    RetryAfter(Duration),
    /// The cost is above the limit's whole count.
    NeverFits,
}

/// Whole seconds, rounded up: a client that waits them has waited long enough.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Whole milliseconds, rounded up.
pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
