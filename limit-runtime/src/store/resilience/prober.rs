//! Background task that calls the store while the breaker is open, and closes it at the first
//! answer.

use super::{background, shared::Shared};
use crate::{
    key::IntoKey,
    store::{Action, Charge, Scope, StoreError},
    window::Strategy,
};
use limit_core::Limits;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::runtime::Handle;

/// The first interval. Each further interval is twice as long.
const FIRST_INTERVAL: Duration = Duration::from_millis(25);
/// The longest interval: a store that answers again is used within a second.
const MAX_INTERVAL: Duration = Duration::from_millis(800);
/// A prober that has not reported for this long is gone, because its runtime has shut down.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(3);

/// The probe writes, so that a read-only replica or a full server does not count as healthy. Its
/// key expires after one second.
const LIMITS: Limits = limit_core::limits!("1/second");
const SCOPE: Scope<'static> = Scope::shared("limit-runtime: probe");

/// Starts the prober. Without a tokio runtime it does nothing, and a later request tries again.
pub(super) fn start(shared: &Arc<Shared>) {
    if let Ok(runtime) = Handle::try_current() {
        background::spawn(&runtime, shared, run, |shared| {
            shared.breaker.prober_has_ended();
        });
    }
}

async fn run(shared: Weak<Shared>) {
    let mut interval = FIRST_INTERVAL;
    for attempt in 0_u64.. {
        tokio::time::sleep(jittered(interval)).await;
        interval = (interval * 2).min(MAX_INTERVAL);
        // The limiter has been dropped.
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let breaker = &shared.breaker;
        if !breaker.is_open() {
            return;
        }
        breaker.prober_is_alive(shared.real_clock.now());
        match shared.with_deadline(probe(&shared, attempt)).await {
            Ok(()) => {
                let open_for = breaker.close(shared.real_clock.now());
                shared.log.closed(open_for, &shared.health());
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "rate-limit store still unavailable");
                shared.counters.set_last_error(&error);
                let now = shared.real_clock.now();
                shared.log.still_open(now, &error, shared.settings.fallback);
            }
        }
    }
}

async fn probe(shared: &Shared, attempt: u64) -> Result<(), StoreError> {
    // Another key each time: keys may be on several servers, of which one is out.
    let key = attempt.into_key();
    let charge = Charge {
        scope: SCOPE,
        key: &key,
        limits: &LIMITS,
        cost: 1,
        strategy: Strategy::FixedWindow,
        on_store_error: None,
        id: None,
    };
    shared.store.check(&[charge], Action::Force).await?;
    Ok(())
}

/// A random duration between half of `interval` and `interval`, so that processes do not probe in
/// step.
fn jittered(interval: Duration) -> Duration {
    let half = interval / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(RandomState::new().hash_one(0) % micros)
}
