//! The state of a guarded store, which the guard and the background prober share.

use super::{
    breaker::Breaker,
    denials::Denials,
    health::{Counters, StoreHealth, count},
    local_counts::Shadow,
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

pub(super) const IS_OUT: &str = "the rate limiter's store is out";

/// How long a request waits for a store, by default.
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Box<dyn Store>,
    pub(super) settings: Settings,
    /// What limits are measured by; a test's, perhaps.
    pub(super) clock: Clock,
    /// What the store's behaviour is measured by: always real.
    pub(super) real: Clock,
    pub(super) breaker: Breaker,
    pub(super) shadow: Shadow,
    /// If the store's denials last.
    pub(super) denials: Option<Denials>,
    pub(super) counters: Counters,
}

/// What a user can set.
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
    pub(super) async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // Outside of a runtime there is no timer, and a store that needs none.
        if tokio::runtime::Handle::try_current().is_err() {
            return call.await;
        }
        let deadline = self.settings.deadline;
        match tokio::time::timeout(deadline, call).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::new(format!("no answer within {deadline:?}"))),
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
                let mut decision = self.shadow.check(charges, action);
                let receipts = decision.take_receipts();
                Ok(decision.with_receipts(receipts.into_iter().map(Receipt::shadow_only)))
            }
            Fallback::Allow => Ok(all_allowed(charges)),
            Fallback::Deny => Err(error.unwrap_or_else(|| StoreError::new(IS_OUT))),
        }
    }

    pub(super) fn forget_denials(&self, charges: &[Charge<'_>]) {
        if let Some(denials) = &self.denials {
            denials.forget(charges);
        }
    }

    pub(super) fn say_opened(&self, error: &StoreError) {
        count(&self.counters.outages);
        let consequence = self.settings.fallback.consequence();
        tracing::warn!(
            %error,
            "the rate limiter's store does not answer: until it does, requests are {consequence}",
        );
    }

    pub(super) fn say_closed(&self, open: Duration) {
        let health = self.counters.health(StoreHealth::Up);
        tracing::info!(
            ?open,
            failed = health.failed,
            fallbacks = health.fallbacks,
            "the rate limiter's store answers again",
        );
    }
}
