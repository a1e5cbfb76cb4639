//! What a check answers.

use crate::store::Charge;
use limit_core::Limit;
use smallvec::SmallVec;
use std::{fmt, time::Duration};

/// The answer to a check: whether the request may go on, and how each limit stands after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    outcomes: Outcomes,
    receipts: SmallVec<[Receipt; 2]>,
    /// Whether all outcomes are.
    is_allowed: bool,
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
        let outcomes: Outcomes = outcomes.into_iter().collect();
        Self {
            is_allowed: outcomes.iter().all(Outcome::is_allowed),
            outcomes,
            receipts: SmallVec::new(),
        }
    }

    /// What a limiter answers that is switched off: all is allowed, and nothing was ever consumed.
    pub(crate) fn untouched(charges: &[Charge<'_>]) -> Self {
        let limits = charges.iter().flat_map(|charge| charge.limits.iter());
        Self::new(limits.map(|&limit| Outcome::allowed(limit, limit.count().get(), 0)))
    }

    /// The same standings, for a request that may go on in spite of them.
    pub(crate) fn into_allowed(mut self) -> Self {
        for outcome in &mut self.outcomes {
            *outcome = outcome.into_allowed();
        }
        self.is_allowed = true;
        self
    }

    /// The decision on one limit, with its receipt if it was consumed.
    #[inline]
    pub(crate) fn single(outcome: Outcome, receipt: Option<Receipt>) -> Self {
        let mut decision = Self::empty();
        decision.push(outcome);
        if let Some(receipt) = receipt {
            decision.push_receipt(receipt);
        }
        decision
    }

    /// A decision that is yet to be filled.
    #[inline]
    pub(crate) fn empty() -> Self {
        Self {
            outcomes: SmallVec::new(),
            receipts: SmallVec::new(),
            is_allowed: true,
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

    /// The outcomes, to be [brought up to date](Outcome::settle) once all is recorded.
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
        self.is_allowed
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
            .any(|outcome| outcome.verdict() == Verdict::NeverFits)
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
    // Who never fits has the longest wait of all, and who is allowed none.
    let rank = |outcome: &Outcome| {
        (
            u64::MAX - outcome.retry_after,
            outcome.remaining,
            u64::MAX - outcome.limit.window_millis(),
        )
    };
    let ranked = outcomes.map(rank).enumerate();
    ranked.min_by_key(|&(_, rank)| rank).map(|(index, _)| index)
}

/// How one limit stands after a check. Times are whole microseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    limit: Limit,
    remaining: u32,
    /// Microseconds.
    reset_after: u64,
    /// Microseconds; [`Self::NOW`] if the limit had room, and [`Self::NEVER`] if it never will.
    retry_after: u64,
}

impl Outcome {
    const NOW: u64 = 0;
    const NEVER: u64 = u64::MAX;

    /// How `limit` stands: what is left of its count, the time until all of it is available again, and whether it
    /// had room. Parts of a microsecond are rounded up, and a wait is at least one.
    ///
    /// ```
    /// use limit_runtime::{Outcome, Verdict, limits};
    /// use std::time::Duration;
    ///
    /// let limit = limits!("10/minute").first();
    /// let outcome = Outcome::new(limit, 9, Duration::from_secs(60), Verdict::Allowed);
    /// assert_eq!(outcome.remaining(), 9);
    /// assert_eq!(outcome.retry_after(), None);
    /// ```
    #[must_use]
    pub fn new(limit: Limit, remaining: u32, reset_after: Duration, verdict: Verdict) -> Self {
        let retry_after = match verdict {
            Verdict::Allowed => Self::NOW,
            Verdict::RetryAfter(wait) => whole_micros(wait).clamp(1, Self::NEVER - 1),
            Verdict::NeverFits => Self::NEVER,
        };
        Self {
            limit,
            remaining,
            reset_after: whole_micros(reset_after),
            retry_after,
        }
    }

    /// The same after so long, if nothing else happened.
    pub(crate) fn aged(&self, by: Duration) -> Self {
        let verdict = match self.verdict() {
            Verdict::RetryAfter(wait) => Verdict::RetryAfter(wait.saturating_sub(by)),
            verdict => verdict,
        };
        let reset_after = self.reset_after().saturating_sub(by);
        Self::new(self.limit, self.remaining, reset_after, verdict)
    }

    /// For a limit that had room.
    #[inline]
    pub(crate) fn allowed(limit: Limit, remaining: u32, reset_after_micros: u64) -> Self {
        Self {
            limit,
            remaining,
            reset_after: reset_after_micros,
            retry_after: Self::NOW,
        }
    }

    /// The same, for a limit that has room after so many microseconds, one at least.
    #[inline]
    pub(crate) fn refused(self, retry_after_micros: u64) -> Self {
        Self {
            retry_after: retry_after_micros.clamp(1, Self::NEVER - 1),
            ..self
        }
    }

    /// The same, for a limit that never has room.
    pub(crate) fn hopeless(self) -> Self {
        Self {
            retry_after: Self::NEVER,
            ..self
        }
    }

    /// The same, with room.
    pub(crate) fn into_allowed(self) -> Self {
        Self {
            retry_after: Self::NOW,
            ..self
        }
    }

    /// Brings it up to date once its charge is recorded.
    #[inline]
    pub(crate) fn settle(&mut self, remaining: u32, reset_after_micros: u64) {
        self.remaining = remaining;
        self.reset_after = reset_after_micros;
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// What is left of its count.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The time until all of its count is available again, if nothing else is consumed.
    #[must_use]
    pub const fn reset_after(&self) -> Duration {
        Duration::from_micros(self.reset_after)
    }

    /// Microseconds.
    pub(crate) const fn reset_after_micros(&self) -> u64 {
        self.reset_after
    }

    /// Microseconds; zero if it had room.
    pub(crate) const fn retry_after_micros(&self) -> u64 {
        self.retry_after
    }

    /// Whether it had room.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self.retry_after {
            Self::NOW => Verdict::Allowed,
            Self::NEVER => Verdict::NeverFits,
            micros => Verdict::RetryAfter(Duration::from_micros(micros)),
        }
    }

    /// Whether it had room.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.retry_after == Self::NOW
    }

    /// How long to wait until this limit has room; `None` if it had, or never will.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.verdict() {
            Verdict::RetryAfter(wait) => Some(wait),
            Verdict::Allowed | Verdict::NeverFits => None,
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("limit", &self.limit)
            .field("remaining", &self.remaining)
            .field("reset_after", &self.reset_after())
            .field("verdict", &self.verdict())
            .finish()
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

/// Whole microseconds, rounded up.
fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// Whole milliseconds, rounded up.
pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
