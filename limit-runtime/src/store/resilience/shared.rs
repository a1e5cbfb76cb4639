//! State of a guarded store that the guard and the background prober share.

use super::{
    breaker::Breaker,
    denial_cache::DenialCache,
    health::{Counters, StoreHealth, count},
    local_counts::LocalCounts,
};
use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    store::{
        charge::{Action, Charge, all_allowed},
        error::StoreError,
        fallback::Fallback,
        store::Store,
    },
};
use std::{future::Future, time::Duration};

/// The default of [`Settings::deadline`].
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Box<dyn Store>,
    pub(super) settings: Settings,
    /// The limiter's clock, which measures windows. It may be a test clock.
    pub(super) clock: Clock,
    /// Measures how long the store is unavailable. Never a test clock.
    pub(super) real_clock: Clock,
    pub(super) breaker: Breaker,
    pub(super) local_counts: LocalCounts,
    /// `None` if [`Store::denials_last`] is false.
    pub(super) denials: Option<DenialCache>,
    pub(super) counters: Counters,
}

/// Settings of a guarded store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) fallback: Fallback,
    pub(crate) deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fallback: Fallback::default(),
            deadline: DEADLINE,
        }
    }
}

impl Shared {
    pub(super) async fn with_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // Outside of a tokio runtime there is no timer; only a store that needs none runs there.
        if tokio::runtime::Handle::try_current().is_err() {
            return call.await;
        }
        let deadline = self.settings.deadline;
        match tokio::time::timeout(deadline, call).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::new(format!(
                "the store did not answer within the deadline of {deadline:?}"
            ))),
        }
    }

    pub(super) fn fall_back(
        &self,
        fallback: Fallback,
        charges: &[Charge<'_>],
        action: Action,
        error: Option<StoreError>,
    ) -> Result<Decision, StoreError> {
        count(&self.counters.fallbacks);
        match fallback {
            Fallback::Local => {
                let mut decision = self.local_counts.check(charges, action);
                let receipts = decision.take_receipts();
                Ok(decision.with_receipts(receipts.into_iter().map(Receipt::local_only)))
            }
            Fallback::Allow => Ok(all_allowed(charges)),
            Fallback::Deny => Err(error.unwrap_or_else(unavailable)),
        }
    }

    pub(super) fn invalidate_denials(&self, charges: &[Charge<'_>]) {
        if let Some(denials) = &self.denials {
            denials.invalidate(charges);
        }
    }

    pub(super) fn log_opened(&self, error: &StoreError) {
        count(&self.counters.outages);
        let consequence = self.settings.fallback.consequence();
        tracing::warn!(
            %error,
            "rate-limit store unavailable: {consequence} until it answers again",
        );
    }

    pub(super) fn log_closed(&self, unavailable_for: Duration) {
        let health = self.counters.health(StoreHealth::Up);
        tracing::info!(
            ?unavailable_for,
            failed = health.failed,
            fallbacks = health.fallbacks,
            "rate-limit store available again: checks use the store",
        );
    }
}

/// The error of a call that was not made because the breaker is open.
pub(super) fn unavailable() -> StoreError {
    StoreError::new("rate-limit store unavailable: not called until it answers a probe")
}
