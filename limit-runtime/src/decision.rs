//! What a check answers.

use limit_core::{Limit, MAX_COUNT, MAX_WINDOW};
use smallvec::SmallVec;
use std::{
    fmt, mem,
    num::NonZeroU64,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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

/// The largest cost that is recorded: larger than any limit allows, so that a larger one never fits
/// either. A forced charge of more is recorded as this.
pub(crate) const MAX_COST: u64 = MAX_COUNT + 1;

/// What a charge of `cost` is recorded as.
#[inline]
pub(crate) const fn recorded_cost(cost: u64) -> u64 {
    if cost > MAX_COST { MAX_COST } else { cost }
}

/// When a store counted a charge, on the store's own clock: what it needs to give the charge back.
///
/// A receipt gives back what its charge consumed, and no more: units that were given back once are
/// not given back again, whether the receipt or a clone of it is presented. [`Limiter::refund`]
/// and the handlers' refunds see to that, whatever the store.
///
/// ```
/// use limit_runtime::{IntoKey, Limiter, limits, store::{Action, Charge, Scope}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
/// let (limiter, limits, key) = (Limiter::new(), limits!("10/minute"), "alice".into_key());
/// let charges = [Charge::new(Scope::shared("jobs"), &key, &limits)];
/// let first = limiter.check_all(&charges, Action::Consume).await?;
/// let second = limiter.check_all(&charges, Action::Consume).await?;
/// assert_eq!(second.outcomes()[0].remaining(), 8);
/// // The second refund gives nothing back: the other request's unit still counts.
/// limiter.refund(&charges, first.receipts()).await?;
/// limiter.refund(&charges, first.receipts()).await?;
/// let left = limiter.check_all(&charges, Action::Peek).await?;
/// assert_eq!(left.outcomes()[0].remaining(), 9);
/// # Ok(())
/// # }
/// ```
///
/// [`Limiter::refund`]: crate::Limiter::refund
#[derive(Debug)]
pub struct Receipt {
    at: u64,
    /// When the local counts kept beside a remote store counted it; [`NOWHERE`](Self::NOWHERE) if
    /// they did not.
    local: u64,
    /// How many units the charge consumed.
    cost: u64,
    /// Shared by all clones. Made by the first clone or refund, so that a check allocates nothing.
    given_back: OnceLock<Arc<GivenBack>>,
}

/// How many units of a charge have been given back.
#[derive(Debug, Default)]
struct GivenBack {
    /// To the store.
    store: AtomicU64,
    /// To the local counts kept beside a remote store.
    local: AtomicU64,
}

impl Receipt {
    const NOWHERE: u64 = u64::MAX;

    /// For a charge that was counted at `at`.
    #[must_use]
    pub const fn new(at: u64) -> Self {
        Self::of_cost(at, MAX_COST)
    }

    /// For a charge of `cost` units that was counted at `at`.
    #[inline]
    pub(crate) const fn of_cost(at: u64, cost: u64) -> Self {
        Self {
            at,
            local: Self::NOWHERE,
            cost: recorded_cost(cost),
            given_back: OnceLock::new(),
        }
    }

    /// When the store counted it.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// The same, for a charge of which at most `cost` units can be given back.
    pub(crate) fn with_cost(self, cost: u64) -> Self {
        Self {
            cost: recorded_cost(cost),
            ..self
        }
    }

    /// Adds the receipt of the local counts, for a charge that both counted.
    pub(crate) fn with_local(self, local: &Self) -> Self {
        Self {
            local: local.at,
            ..self
        }
    }

    /// Turns a receipt of the local counts into that of a charge which the remote store did not
    /// count.
    pub(crate) fn local_only(self) -> Self {
        Self {
            at: Self::NOWHERE,
            local: self.at,
            ..self
        }
    }

    /// Whether only the local counts counted the charge.
    pub(crate) fn is_local_only(&self) -> bool {
        self.at == Self::NOWHERE
    }

    /// The receipt of the local counts, if they counted the charge.
    pub(crate) fn local(&self) -> Option<Self> {
        (self.local != Self::NOWHERE).then(|| Self::new(self.local))
    }

    /// Claims up to `units` to be given back to the store: no other call claims the same units.
    /// Returns how many were claimed.
    pub(crate) fn claim(&self, units: u64) -> u64 {
        self.claim_from(&self.given_back().store, units)
    }

    /// The same for the local counts kept beside a remote store.
    pub(crate) fn claim_local(&self, units: u64) -> u64 {
        self.claim_from(&self.given_back().local, units)
    }

    fn claim_from(&self, given_back: &AtomicU64, units: u64) -> u64 {
        let claimable = |given: u64| units.min(self.cost.saturating_sub(given));
        let before = given_back.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |given| {
            Some(given.saturating_add(claimable(given)))
        });
        before.map_or(0, claimable)
    }

    fn given_back(&self) -> &Arc<GivenBack> {
        self.given_back.get_or_init(Arc::default)
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        Self {
            given_back: OnceLock::from(self.given_back().clone()),
            ..*self
        }
    }
}

impl PartialEq for Receipt {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.local) == (other.at, other.local)
    }
}

impl Eq for Receipt {}

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
    pub(crate) fn from_single(outcome: Outcome, receipt: Option<Receipt>) -> Self {
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

    /// The outcomes, to be [brought up to date](Outcome::update) once all is recorded.
    pub(crate) fn outcomes_mut(&mut self) -> &mut [Outcome] {
        &mut self.outcomes
    }

    /// The same, with a receipt for each charge that was consumed.
    #[must_use]
    pub fn with_receipts(mut self, receipts: impl IntoIterator<Item = Receipt>) -> Self {
        self.receipts = receipts.into_iter().collect();
        self
    }

    /// Takes the receipts out, without a clone: no charge has one any more.
    pub(crate) fn take_receipts(&mut self) -> SmallVec<[Receipt; 2]> {
        mem::take(&mut self.receipts)
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
    /// `None` if it was allowed, or if its cost exceeds the capacity of a limit.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.exceeds_capacity() {
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
    pub fn exceeds_capacity(&self) -> bool {
        self.outcomes.iter().any(Outcome::exceeds_capacity)
    }

    /// The outcome a client should look at first: of those that refused, the one with the longest wait;
    /// if none did, the one with the least remaining, and of these the one that takes longest to grow.
    /// `None` if there were no limits.
    #[must_use]
    pub fn strictest(&self) -> Option<&Outcome> {
        self.outcomes.get(strictest(self.outcomes.iter())?)
    }
}

/// The place of the outcome a client should look at first; see [`Decision::strictest`].
pub(crate) fn strictest<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Option<usize> {
    // A cost above the capacity is the longest wait of all; an allowed request has none.
    let rank = |outcome: &Outcome| {
        (
            u64::MAX - outcome.retry_after,
            outcome.remaining,
            u64::MAX - outcome.next_after,
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
    remaining: u64,
    /// What `remaining` grows to at most.
    capacity: NonZeroU64,
    /// Microseconds.
    reset_after: u64,
    /// Microseconds; [`Self::NOW`] if the limit had room, and [`Self::NEVER`] if it never will.
    retry_after: u64,
    /// Microseconds; zero if nothing is counted.
    next_after: u64,
}

impl Outcome {
    const NOW: u64 = 0;
    const NEVER: u64 = u64::MAX;

    /// How `limit` stands: what is left of its count, the time until all of it is available again, and whether it
    /// had room. Parts of a microsecond are rounded up, and a wait is at least one. No more than the
    /// largest count of a limit remains.
    ///
    /// [`next_after`](Self::next_after) is then the latest that it can be: `reset_after`, or the wait of
    /// a refused request where that is shorter. A store that knows it exactly adds
    /// [`with_next_after`](Self::with_next_after).
    ///
    /// ```
    /// use limit_runtime::{Outcome, Verdict, limits};
    /// use std::time::Duration;
    ///
    /// let limit = limits!("10/minute").first();
    /// let outcome = Outcome::new(limit, 9, Duration::from_secs(60), Verdict::Allowed);
    /// assert_eq!(outcome.remaining(), 9);
    /// assert_eq!(outcome.retry_after(), None);
    /// assert_eq!(outcome.next_after(), Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn new(limit: Limit, remaining: u64, reset_after: Duration, verdict: Verdict) -> Self {
        let retry_after = match verdict {
            Verdict::Allowed => Self::NOW,
            Verdict::RetryAfter(wait) => whole_micros(wait).clamp(1, Self::NEVER - 1),
            Verdict::ExceedsCapacity => Self::NEVER,
        };
        let reset_after = whole_micros(reset_after);
        let remaining = remaining.min(MAX_COUNT);
        let next_after = match retry_after {
            Self::NOW => reset_after,
            // A refused request fits then, and did not fit before.
            wait => reset_after.min(wait),
        };
        Self {
            limit,
            remaining,
            capacity: NonZeroU64::new(remaining)
                .map_or(limit.count(), |remaining| remaining.max(limit.count())),
            reset_after,
            retry_after,
            next_after,
        }
    }

    /// The same, for a limit whose [`remaining`](Self::remaining) grows after this time if nothing else is
    /// consumed: the first moment at which it is larger, and zero if it cannot grow. Parts of a
    /// microsecond are rounded up.
    ///
    /// ```
    /// use limit_runtime::{Outcome, Verdict, limits};
    /// use std::time::Duration;
    ///
    /// // Two hits of the last minute, which leave the window 6 and 60 seconds from now.
    /// let limit = limits!("10/minute").first();
    /// let outcome = Outcome::new(limit, 8, Duration::from_secs(60), Verdict::Allowed)
    ///     .with_next_after(Duration::from_secs(6));
    /// assert_eq!(outcome.next_after(), Duration::from_secs(6));
    /// ```
    #[must_use]
    pub fn with_next_after(self, next_after: Duration) -> Self {
        Self {
            next_after: whole_micros(next_after),
            ..self
        }
    }

    /// The same, for a limit of which at most `capacity` units can remain, as the burst of
    /// [GCRA](crate::Strategy::Gcra); the limit's count if not called.
    ///
    /// ```
    /// use limit_runtime::{Outcome, Verdict, limits};
    /// use std::{num::NonZeroU64, time::Duration};
    ///
    /// let (limit, burst) = (limits!("3/minute").first(), NonZeroU64::new(10).unwrap());
    /// let outcome = Outcome::new(limit, 9, Duration::from_secs(20), Verdict::Allowed)
    ///     .with_capacity(burst);
    /// assert_eq!(outcome.capacity(), burst);
    /// ```
    #[must_use]
    pub fn with_capacity(self, capacity: NonZeroU64) -> Self {
        Self { capacity, ..self }
    }

    /// The same after so long, if nothing else happened.
    ///
    /// What remains may have grown meanwhile, by an unknown number of units. Then one more than before is what
    /// certainly remains, and [`next_after`](Self::next_after) is an upper bound: when the refused
    /// request fits, or when all is available again.
    pub(crate) fn after(&self, by: Duration) -> Self {
        let by = whole_micros(by);
        let retry_after = match self.retry_after {
            Self::NOW | Self::NEVER => self.retry_after,
            wait => wait.saturating_sub(by).max(1),
        };
        let reset_after = self.reset_after.saturating_sub(by);
        let capacity = self.capacity.get();
        let remaining = if reset_after == 0 {
            capacity
        } else if self.next_after > 0 && by >= self.next_after {
            self.remaining.saturating_add(1).min(capacity)
        } else {
            self.remaining
        };
        let next_after = match self.next_after.checked_sub(by) {
            Some(next_after) if next_after > 0 || self.next_after == 0 => next_after,
            _ if retry_after == Self::NOW => reset_after,
            _ => reset_after.min(retry_after),
        };
        Self {
            remaining,
            reset_after,
            retry_after,
            next_after,
            ..*self
        }
    }

    /// For a limit that had room, of which something is counted.
    #[inline]
    pub(crate) fn allowed(limit: Limit, capacity: NonZeroU64, left: Left) -> Self {
        Self {
            limit,
            remaining: left.remaining,
            capacity,
            reset_after: left.reset_after,
            retry_after: Self::NOW,
            next_after: left.next_after,
        }
    }

    /// For a limit of which nothing is counted.
    pub(crate) fn unused(limit: Limit, capacity: NonZeroU64) -> Self {
        let left = Left {
            remaining: capacity.get(),
            reset_after: 0,
            next_after: 0,
        };
        Self::allowed(limit, capacity, left)
    }

    /// The same, for a limit that has room after so many microseconds, one at least.
    #[inline]
    pub(crate) fn refused(self, retry_after_micros: u64) -> Self {
        Self {
            retry_after: retry_after_micros.clamp(1, Self::NEVER - 1),
            ..self
        }
    }

    /// The outcome of a request whose cost is above what ever fits.
    pub(crate) fn into_exceeds_capacity(self) -> Self {
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
    pub(crate) fn update(&mut self, left: Left) {
        self.remaining = left.remaining;
        self.reset_after = left.reset_after;
        self.next_after = left.next_after;
    }

    /// What is left, and when there is more.
    #[inline]
    pub(crate) fn left(&self) -> Left {
        Left {
            remaining: self.remaining,
            reset_after: self.reset_after,
            next_after: self.next_after,
        }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// What is left of its count.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// What [`remaining`](Self::remaining) is at most: the limit's count, or the burst under
    /// [GCRA](crate::Strategy::Gcra).
    #[must_use]
    pub const fn capacity(&self) -> NonZeroU64 {
        self.capacity
    }

    /// The time until [`remaining`](Self::remaining) grows, by one unit at least, if nothing else is
    /// consumed. Zero if all of it is available, so that it cannot grow.
    ///
    /// It is exact: a client that asks after this time sees more remaining, and one that asks a
    /// microsecond sooner does not. Two answers know only an upper bound: outcomes of a
    /// [`Store`](crate::store::Store) that gives none of its own, and denials of a remote store that
    /// this process repeats after what remains has begun to grow again.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let (limiter, clock) = Limiter::for_test();
    /// let limits = limits!("10/minute");
    /// limiter.check(&limits, "alice").await?;
    /// clock.advance(Duration::from_secs(20));
    /// let second = limiter.check(&limits, "alice").await?;
    /// let outcome = second.outcomes()[0];
    /// assert_eq!(outcome.next_after(), Duration::from_secs(40));
    /// assert_eq!(outcome.reset_after(), Duration::from_secs(60));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn next_after(&self) -> Duration {
        Duration::from_micros(self.next_after)
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

    /// Microseconds until a client should ask again: its wait if it was refused and there is one, else
    /// until more remains.
    #[inline]
    pub(crate) const fn ask_after_micros(&self) -> u64 {
        match self.retry_after {
            Self::NOW | Self::NEVER => self.next_after,
            wait => wait,
        }
    }

    /// The limit as headers show it, so that no more ever remains than it allows.
    ///
    /// A burst above the count is shown with the time in which it is replenished: the same rate, of
    /// which the whole burst may be taken at once.
    #[inline]
    pub(crate) fn quota(&self) -> Limit {
        if self.capacity <= self.limit.count() {
            return self.limit;
        }
        self.quota_of_burst()
    }

    #[cold]
    fn quota_of_burst(&self) -> Limit {
        let (burst, count) = (self.capacity.get(), self.limit.count().get());
        let millis = u128::from(self.limit.window_millis()) * u128::from(burst);
        let millis = u64::try_from(millis.div_ceil(u128::from(count))).unwrap_or(u64::MAX);
        let window = Duration::from_millis(millis).min(MAX_WINDOW);
        let quota = Limit::new(self.capacity, window).unwrap_or(self.limit);
        quota.with_unit(self.limit.unit())
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
            Self::NEVER => Verdict::ExceedsCapacity,
            micros => Verdict::RetryAfter(Duration::from_micros(micros)),
        }
    }

    /// Whether it had room.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.retry_after == Self::NOW
    }

    /// Whether the cost is above what ever fits, so that no wait helps.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let decision = Limiter::new().check(&limits!("10/minute"), "alice").cost(11).await?;
    /// assert!(decision.outcomes()[0].exceeds_capacity());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn exceeds_capacity(&self) -> bool {
        self.retry_after == Self::NEVER
    }

    /// How long to wait until this limit has room; `None` if it had, or never will.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.verdict() {
            Verdict::RetryAfter(wait) => Some(wait),
            Verdict::Allowed | Verdict::ExceedsCapacity => None,
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("limit", &self.limit)
            .field("remaining", &self.remaining)
            .field("capacity", &self.capacity)
            .field("next_after", &self.next_after())
            .field("reset_after", &self.reset_after())
            .field("verdict", &self.verdict())
            .finish()
    }
}

/// What is left of one limit once a request is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) remaining: u64,
    /// Microseconds until all is available again.
    pub(crate) reset_after: u64,
    /// Microseconds until `remaining` grows; zero if it cannot.
    pub(crate) next_after: u64,
}

/// Whether one limit had room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It had room.
    Allowed,
    /// It has room after this time, and not a tick sooner, if nothing else is consumed.
    RetryAfter(Duration),
    /// The cost is above what ever fits: the limit's count, or the burst under
    /// [GCRA](crate::Strategy::Gcra). No wait helps.
    ExceedsCapacity,
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

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;

    fn outcome(remaining: u64, verdict: Verdict) -> Outcome {
        let limit = limits!("10/minute").first();
        Outcome::new(limit, remaining, Duration::from_secs(60), verdict)
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn without_a_word_of_the_store_more_remains_at_the_latest_that_it_can() {
        assert_eq!(outcome(9, Verdict::Allowed).next_after(), secs(60));
        let refused = outcome(3, Verdict::RetryAfter(secs(7)));
        assert_eq!(refused.next_after(), secs(7));
        let never = outcome(3, Verdict::ExceedsCapacity);
        assert_eq!(never.next_after(), secs(60));
        assert!(never.exceeds_capacity() && !refused.exceeds_capacity());
    }

    #[test]
    fn an_outcome_ages_by_what_is_known() {
        let refused = outcome(3, Verdict::RetryAfter(secs(40))).with_next_after(secs(10));
        let young = refused.after(secs(4));
        assert_eq!(young.next_after(), secs(6));
        assert_eq!(young.retry_after(), Some(secs(36)));
        assert_eq!(young.reset_after(), secs(56));
        // More remains already, and how much is not known: it grows at the latest when the request fits.
        let old = refused.after(secs(10));
        assert_eq!((old.remaining(), old.next_after()), (4, secs(30)));
        assert!(!refused.after(secs(40)).is_allowed(), "it was refused");
        let allowed = outcome(3, Verdict::Allowed).with_next_after(secs(10));
        assert_eq!(allowed.after(secs(10)).next_after(), secs(50));
        let all = allowed.after(secs(60));
        assert_eq!((all.remaining(), all.next_after()), (10, secs(0)));
        let full = Outcome::unused(allowed.limit(), allowed.capacity());
        assert_eq!(full.after(secs(1)), full);
    }

    #[test]
    fn a_quota_is_never_less_than_what_remains() {
        for (count, burst, shown) in [
            ("3/minute", 10, "10 per 200 seconds"),
            ("10/minute", 10, "10 per minute"),
            ("60/minute", 2, "60 per minute"),
            ("7/second", 9, "9 per 1286 ms"),
            ("1/3650days", 2, "2 per 3650 days"),
        ] {
            let limit = count.parse().unwrap();
            let capacity = NonZeroU64::new(burst).unwrap();
            let outcome = Outcome::unused(limit, capacity);
            assert!(outcome.quota().count().get() >= outcome.remaining());
            assert_eq!(outcome.quota().to_string(), shown);
        }
    }

    #[test]
    fn of_limits_with_as_much_left_the_one_that_takes_longest_to_grow_is_the_strictest() {
        let soon = outcome(0, Verdict::Allowed).with_next_after(secs(1));
        let late = outcome(0, Verdict::Allowed).with_next_after(secs(5));
        assert_eq!(Decision::new([soon, late]).strictest(), Some(&late));
        assert_eq!(Decision::new([late, soon]).strictest(), Some(&late));
    }

    #[test]
    fn a_receipt_and_its_clones_claim_each_unit_once() {
        let receipt = Receipt::of_cost(1, 5);
        assert_eq!(receipt.claim(3), 3);
        let clone = receipt.clone();
        assert_eq!(clone.claim(3), 2);
        assert_eq!(receipt.claim(1), 0);
        assert_eq!(receipt.claim_local(9), 5, "it is counted by itself");
        assert_eq!(clone, receipt);
    }
}
