//! A user-defined store with its deadline and fallback.

use super::{fallback::Fallback, resilience, store::Store};
use std::{fmt, time::Duration};

/// A user-defined [`Store`] with its deadline and fallback.
///
/// Pass it to [`LimiterBuilder::store`](crate::LimiterBuilder::store). That method also takes a
/// `Store` directly, with the default settings.
///
/// ```
/// use limit_runtime::{Limiter, store::{CustomStore, Fallback, Store}};
/// use std::time::Duration;
///
/// fn limiter(store: impl Store) -> Limiter {
///     let store = CustomStore::new(store)
///         .store_deadline(Duration::from_millis(20))
///         .fallback(Fallback::Deny);
///     Limiter::builder().store(store).build()
/// }
/// ```
#[must_use = "pass it to `LimiterBuilder::store`"]
pub struct CustomStore {
    pub(crate) store: Box<dyn Store>,
    pub(crate) settings: resilience::Settings,
}

impl CustomStore {
    /// A store with the default settings: a deadline of 50 ms and [`Fallback::Local`].
    pub fn new(store: impl Store) -> Self {
        Self::with_settings(store, resilience::Settings::default())
    }

    pub(crate) fn with_settings(store: impl Store, settings: resilience::Settings) -> Self {
        Self {
            store: Box::new(store),
            settings,
        }
    }

    /// Sets the maximum time to wait for a call to the store. Default: 50 ms.
    pub fn store_deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Sets what to do with requests while the store does not answer. Default: [`Fallback::Local`].
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.settings.fallback = fallback;
        self
    }
}

impl<S: Store> From<S> for CustomStore {
    fn from(store: S) -> Self {
        Self::new(store)
    }
}

impl fmt::Debug for CustomStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomStore")
            .field("store", &self.store)
            .field("store_deadline", &self.settings.deadline)
            .field("fallback", &self.settings.fallback)
            .finish()
    }
}
