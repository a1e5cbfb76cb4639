//! State and counters of a limiter's store.

use crate::store::error::StoreError;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// State and counters of a limiter's store, from [`Limiter::health`](crate::Limiter::health).
///
/// Counters start at 0 when the limiter is built.
///
/// ```
/// use limit_runtime::{Limiter, store::StoreHealth};
///
/// let health = Limiter::new().health();
/// assert_eq!(health.store, StoreHealth::Memory);
/// assert_eq!(health.fallbacks, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether the store answers.
    pub store: StoreHealth,
    /// How long `store` has been as it is. Zero for the memory of this process.
    pub since: Duration,
    /// The text of the last error of the store, also if it has answered since.
    pub last_error: Option<Arc<str>>,
    /// Calls that the store answered.
    pub answered: u64,
    /// Calls that failed: the store returned an error, or no answer before the deadline.
    pub failed: u64,
    /// Checks that the [`Fallback`](crate::store::Fallback) decided: the call failed, or the store
    /// was down and not called.
    pub fallbacks: u64,
    /// Denials that were repeated without another call to the store.
    pub repeated_denials: u64,
    /// Checks that the local counts refused while the store answered: after a restart or an outage,
    /// the store may not know all that this process admitted.
    pub local_refusals: u64,
    /// Forced charges and refunds that the store has not confirmed, which are sent until it does.
    /// Those of one budget are added up.
    pub late_charges: u64,
    /// Entries of [`late_charges`](Self::late_charges) that were dropped because there were more
    /// than 10,000: refunds first.
    pub late_charges_dropped: u64,
    /// How often the state changed to [`StoreHealth::Down`].
    pub outages: u64,
}

/// Whether a limiter's store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreHealth {
    /// The limiter counts in this process's memory, which always answers.
    Memory,
    /// The store answers, and every check may call it.
    Up,
    /// Too many calls failed. Checks use the [`Fallback`](crate::store::Fallback) and do not call
    /// the store. A background task calls it at growing intervals of up to 0.8 seconds, and its
    /// first answer ends this state.
    Down,
}

impl Health {
    pub(crate) fn of_memory() -> Self {
        Counters::default().health(StoreHealth::Memory, Duration::ZERO)
    }
}

/// The counters of [`Health`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) fallbacks: AtomicU64,
    pub(super) repeated_denials: AtomicU64,
    pub(super) local_refusals: AtomicU64,
    pub(super) outages: AtomicU64,
    last_error: Mutex<Option<Arc<str>>>,
}

impl Counters {
    /// Remembers the error as the last one.
    pub(super) fn set_last_error(&self, error: &StoreError) {
        let text = error.to_string();
        let mut last = self.last_error.lock();
        if last.as_deref() != Some(&text) {
            *last = Some(text.into());
        }
    }

    pub(super) fn health(&self, store: StoreHealth, since: Duration) -> Health {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Health {
            store,
            since,
            last_error: self.last_error.lock().clone(),
            answered: read(&self.answered),
            failed: read(&self.failed),
            fallbacks: read(&self.fallbacks),
            repeated_denials: read(&self.repeated_denials),
            local_refusals: read(&self.local_refusals),
            late_charges: 0,
            late_charges_dropped: 0,
            outages: read(&self.outages),
        }
    }
}

/// Adds 1.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
