//! Receipts of charges, for refunds.

use super::{
    cost::{MAX_COST, recorded_cost},
    late_count::LateCount,
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Proof of a charge, needed to refund it: the time at which the store counted it.
///
/// A receipt refunds at most what its charge consumed: [`Limiter::refund`] and the refunds of
/// handlers refund each unit once, whether the receipt or a clone of it is used, with any store.
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
    /// The units that the charge consumed.
    cost: u64,
    /// Shared by all clones. Made by the first clone or refund, so that a check allocates nothing.
    refunded: OnceLock<Arc<Refunded>>,
}

/// The number of refunded units of a charge.
#[derive(Debug, Default)]
struct Refunded {
    /// Refunded to the store.
    store: AtomicU64,
    /// Refunded to the local counts that are kept beside a remote store.
    local: AtomicU64,
    /// When a remote store counts the charge, if it may still do so.
    late: Option<Arc<LateCount>>,
}

impl Receipt {
    const NOWHERE: u64 = u64::MAX;
    /// The remote store will count it later.
    const LATE: u64 = u64::MAX - 1;

    /// A receipt for a charge that the store counted at `at`, on its own clock.
    #[must_use]
    pub const fn new(at: u64) -> Self {
        Self::of_cost(at, MAX_COST)
    }

    /// A receipt for a charge of `cost` units that the store counted at `at`.
    #[inline]
    pub(crate) const fn of_cost(at: u64, cost: u64) -> Self {
        Self {
            at,
            local: Self::NOWHERE,
            cost: recorded_cost(cost),
            refunded: OnceLock::new(),
        }
    }

    /// The time at which the store counted the charge, on its own clock.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// The number of units that can be refunded at most.
    pub(crate) const fn cost(&self) -> u64 {
        self.cost
    }

    /// Sets the number of units that can be refunded at most.
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

    /// A receipt for a charge that nothing is known to have counted.
    pub(crate) const fn uncounted(cost: u64) -> Self {
        Self::of_cost(Self::NOWHERE, cost)
    }

    /// Turns a receipt of the local counts into that of a charge which the remote store is not
    /// known to have counted.
    pub(crate) fn local_only(self) -> Self {
        Self {
            at: Self::NOWHERE,
            local: self.at,
            ..self
        }
    }

    /// Turns a receipt of the local counts into that of a forced charge of `cost` units which is
    /// kept for the remote store. `None` if that had no room.
    pub(crate) fn late(&self, cost: u64, count: Option<Arc<LateCount>>) -> Self {
        Self {
            at: Self::LATE,
            local: self.local,
            cost: recorded_cost(cost),
            refunded: Refunded::with_late_count(count),
        }
    }

    /// Adds what shows when the remote store has counted the charge after all.
    pub(crate) fn with_late_count(&self, count: Arc<LateCount>) -> Self {
        Self {
            refunded: Refunded::with_late_count(Some(count)),
            ..*self
        }
    }

    /// When the remote store counts the charge, if it was not known when the receipt was made.
    pub(crate) fn late_count(&self) -> Option<&Arc<LateCount>> {
        self.refunded.get()?.late.as_ref()
    }

    /// Whether the charge is kept for the remote store.
    pub(crate) fn is_late(&self) -> bool {
        self.at == Self::LATE
    }

    /// Whether the remote store was not known to have counted the charge when the receipt was made.
    pub(crate) fn is_local_only(&self) -> bool {
        self.at == Self::NOWHERE
    }

    /// Whether nothing is known to have counted the charge.
    pub(crate) fn is_uncounted(&self) -> bool {
        self.is_local_only() && self.local == Self::NOWHERE
    }

    /// Whether a remote store has yet to be sent the charge, because it is not known to have
    /// counted it. Returns `true` once, if it may still count it.
    pub(crate) fn replace(&self) -> bool {
        self.is_local_only() && self.late_count().is_none_or(|count| count.replace())
    }

    /// Notes that there is no room for the charge that was to [replace](Self::replace) it.
    pub(crate) fn keep(&self) {
        if let Some(count) = self.late_count() {
            count.keep();
        }
    }

    /// The receipt of the local counts, if they counted the charge.
    pub(crate) fn local(&self) -> Option<Self> {
        (self.local != Self::NOWHERE).then(|| Self::new(self.local))
    }

    /// Claims up to `units` for a refund to the store, and returns how many. No other call claims
    /// these units.
    pub(crate) fn claim(&self, units: u64) -> u64 {
        self.claim_from(&self.refunded().store, units)
    }

    /// Claims up to `units` for a refund to the local counts, and returns how many.
    pub(crate) fn claim_local(&self, units: u64) -> u64 {
        self.claim_from(&self.refunded().local, units)
    }

    fn claim_from(&self, refunded: &AtomicU64, units: u64) -> u64 {
        let claimable = |given: u64| units.min(self.cost.saturating_sub(given));
        let before = refunded.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |given| {
            Some(given.saturating_add(claimable(given)))
        });
        before.map_or(0, claimable)
    }

    fn refunded(&self) -> &Arc<Refunded> {
        self.refunded.get_or_init(Arc::default)
    }
}

impl Refunded {
    fn with_late_count(late: Option<Arc<LateCount>>) -> OnceLock<Arc<Self>> {
        OnceLock::from(Arc::new(Self {
            late,
            ..Self::default()
        }))
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        Self {
            refunded: OnceLock::from(self.refunded().clone()),
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

#[cfg(test)]
mod tests {
    use super::*;

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
