//! The trait of stores.

use super::{
    charge::{Action, Charge},
    error::StoreError,
    scope::Scope,
};
use crate::{
    decision::{Decision, Receipt},
    key::Key,
};
use std::{fmt, future::Future, pin::Pin};

/// A place that counts: shared by machines, or of your own making.
///
/// A store answers every check atomically: all charges are consumed, or none.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Checks all `charges` as one, and consumes them as `action` says.
    ///
    /// The decision has one outcome for each limit of each charge, in that order. Headers show when more
    /// remains, as [`Outcome::with_next_after`](crate::Outcome::with_next_after) says.
    ///
    /// # Errors
    /// When the store could not answer. The charges may then have been consumed or not.
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision>;

    /// Gives back the costs of `charges`, which a check consumed and answered with `receipts`.
    ///
    /// Cost by cost, no more is given back than that check consumed and the store still counts. The
    /// limiter asks for each unit of a [receipt](Receipt) at most once.
    ///
    /// # Errors
    /// When the store could not answer. The charges may then have been given back or not.
    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()>;

    /// Clears the budgets of `key` in `scope`, under every strategy. Returns how many there were: one
    /// for each strategy that counted something.
    ///
    /// # Errors
    /// When the store could not answer.
    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64>;

    /// Clears all budgets of this limiter, and nothing else that the store may hold.
    ///
    /// # Errors
    /// When the store could not answer.
    fn reset_all(&self) -> StoreFuture<'_, ()>;

    /// What the budgets of `key` in `scope` are called in the store, to look at them there; `None` if it gives no names.
    fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        let _ = (scope, key);
        None
    }

    /// A number that changes when what was counted may have been lost, as after a new connection.
    /// For a while after that this process admits no more than its own counts allow.
    fn epoch(&self) -> u64 {
        0
    }

    /// Whether a denial holds until its `retry_after` whatever else is asked meanwhile, short of a
    /// refund, a reset or a changed limit. If so, this process repeats it by itself for up to a second.
    fn denials_last(&self) -> bool {
        false
    }
}

/// What a [`Store`] answers, when it does.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
