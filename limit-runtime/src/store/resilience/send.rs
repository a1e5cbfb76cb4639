//! Calls of the store, counted for the circuit breaker.

use super::{health::count, prober, shared::Shared};
use crate::store::error::{StoreError, StoreErrorKind};
use std::{future::Future, sync::Arc};

/// Whether the breaker is open. Then also replaces the prober if it is gone.
pub(super) fn is_open(shared: &Arc<Shared>) -> bool {
    let breaker = &shared.breaker;
    let is_open = breaker.is_open();
    if is_open && breaker.needs_prober(shared.real_clock.now(), prober::MAX_SILENCE) {
        prober::start(shared);
    }
    is_open
}

/// Calls the store within the deadline, and counts the result for the breaker and the counters.
pub(super) async fn send<T>(
    shared: &Arc<Shared>,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let result = shared.instruments.timed(shared.with_deadline(call)).await;
    match &result {
        Ok(_) => {
            count(&shared.counters.answered);
            shared.breaker.success(shared.real_clock.now());
        }
        Err(error) => note_failure(shared, error),
    }
    result
}

fn note_failure(shared: &Arc<Shared>, error: &StoreError) {
    let now = shared.real_clock.now();
    count(&shared.counters.failed);
    shared.instruments.failed(error.kind().as_str());
    shared.counters.set_last_error(error);
    tracing::debug!(%error, "rate-limit store call failed");
    let opened = match error.kind() {
        StoreErrorKind::Outage | StoreErrorKind::Deadline => shared.breaker.failure(now),
        StoreErrorKind::Misconfiguration => shared.breaker.open(now),
        StoreErrorKind::Request(kind) => {
            shared.log.fault(now, kind, error);
            false
        }
    };
    if opened {
        count(&shared.counters.outages);
        shared.log.opened(now, error, shared.settings.fallback);
        prober::start(shared);
    }
}
