//! The trait that stores implement.

use super::{
    charge::{Action, Charge},
    leases::LeaseStore,
    scope::Scope,
    store_future::StoreFuture,
};
use crate::{
    decision::{Decision, Receipt},
    key::Key,
};
use std::fmt;

/// A backend that holds the counts of a limiter, usually a server that several processes share.
///
/// Implement it to count in a backend of your own, and pass the store to
/// [`LimiterBuilder::store`](crate::LimiterBuilder::store). The limiter adds a deadline, a circuit
/// breaker and a fallback; [`CustomStore`](super::CustomStore) has their settings.
///
/// Every check is atomic: all charges are consumed, or none.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Checks all `charges` together, and consumes them as `action` specifies.
    ///
    /// The decision has one outcome for each limit of each charge, in that order. If charges were
    /// consumed, it also has one receipt for each charge. For rate-limit headers that state when
    /// more is available, set [`Outcome::with_next_after`](crate::Outcome::with_next_after).
    ///
    /// # Errors
    /// If the store could not answer. The charges may have been consumed or not.
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision>;

    /// Refunds `charges`, which an earlier check consumed. `receipts` are those of that check, in
    /// the order of the charges.
    ///
    /// The cost of a charge may be lower than what the check consumed. No more is refunded than the
    /// check consumed and the store still counts. The limiter refunds each unit of a
    /// [receipt](Receipt) at most once.
    ///
    /// # Errors
    /// If the store could not answer. The charges may have been refunded or not.
    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()>;

    /// Clears the budgets of `key` in `scope` under all strategies. Returns the number of budgets
    /// that were cleared: one for each strategy that had counted something.
    ///
    /// # Errors
    /// If the store could not answer. The budgets may have been cleared or not.
    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64>;

    /// Clears all budgets of this limiter. Other data in the backend is not affected.
    ///
    /// # Errors
    /// If the store could not answer. Some budgets may have been cleared.
    fn reset_all(&self) -> StoreFuture<'_, ()>;

    /// The name or pattern under which the backend holds the budgets of `key` in `scope`, for
    /// inspection with the backend's own tools. Default: `None`, no such name.
    fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        let _ = (scope, key);
        None
    }

    /// A number that changes whenever counts may have been lost, for example after a reconnect.
    /// Default: 0, never.
    ///
    /// After a change, this process admits a check only if its local counts also allow it, until
    /// everything it counted before the change has left the windows. The change from 0 to another
    /// number is the first connection, and has no such effect.
    fn epoch(&self) -> u64 {
        0
    }

    /// Whether a forced charge or a refund with an [id](Charge::id) is counted once, however often
    /// it is sent. If so, one that got no answer is sent again. Otherwise it is not, because the
    /// store may have counted it. Default: `false`.
    fn counts_ids_once(&self) -> bool {
        false
    }

    /// The part of the store that keeps leases, for concurrency limits. Default: `None`.
    ///
    /// Without leases, the requests in flight are counted in this process alone, and the log has a
    /// warning with the code `LIMIT016` of [`diagnostics`](crate::diagnostics).
    fn leases(&self) -> Option<&dyn LeaseStore> {
        None
    }

    /// The name of the kind of backend in metrics, such as `redis`. Default: `custom`.
    fn name(&self) -> &'static str {
        "custom"
    }

    /// Whether a denial holds until its `retry_after` has passed, unless there is a refund, a reset
    /// or a changed limit. If so, this process repeats a denial for up to a second without another
    /// call to the store. Default: `false`.
    fn denials_last(&self) -> bool {
        false
    }
}
