//! Leases: what a store keeps of permits that several processes share.

use super::{scope::Scope, store_future::StoreFuture};
use crate::key::Key;
use std::time::Duration;

/// Leases on the permits of one budget.
///
/// A lease is held until it is released, or until its time to live has passed since it was last
/// extended. So the permits of a process that was killed are free again after that time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Leases<'a> {
    /// The scope of the budget.
    pub scope: Scope<'a>,
    /// The key of the budget.
    pub key: &'a Key,
    /// Random numbers that identify the leases.
    pub ids: &'a [u64],
    /// How long a lease is held without being extended.
    pub time_to_live: Duration,
}

/// The part of a [`Store`](super::Store) that keeps leases, for concurrency limits.
///
/// The limiter adds the store's deadline, its circuit breaker and its fallback, and extends the
/// leases of permits that are held, several times within their time to live.
pub trait LeaseStore: Send + Sync {
    /// Releases the leases `released`, then takes the other ones if fewer than `max` of the budget
    /// are held. Returns whether it has taken them. It is called with one id to take.
    ///
    /// # Errors
    /// If the store could not answer. The leases may have been released and taken or not.
    fn acquire<'a>(
        &'a self,
        leases: Leases<'a>,
        max: u64,
        released: &'a [u64],
    ) -> StoreFuture<'a, bool>;

    /// Extends the leases by their time to live. Those that the store has lost are taken again,
    /// even beyond the maximum, because their permits are held.
    ///
    /// # Errors
    /// If the store could not answer. The leases may have been extended or not.
    fn extend<'a>(&'a self, leases: Leases<'a>) -> StoreFuture<'a, ()>;

    /// Releases the leases. Those that are not held are ignored.
    ///
    /// # Errors
    /// If the store could not answer. The leases may have been released or not.
    fn release<'a>(&'a self, leases: Leases<'a>) -> StoreFuture<'a, ()>;
}
