//! The task that looks for the store's return while nobody else asks it.

use super::shared::Shared;
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

/// The first wait; it doubles.
const FIRST: Duration = Duration::from_millis(25);
/// The longest wait, so that a store that returned is used again within a second.
const LONGEST: Duration = Duration::from_millis(800);
/// A prober that was not heard of for so long has ended with its runtime.
pub(super) const SILENT: Duration = Duration::from_secs(3);

/// What it asks: it writes, so that a replica or a full server does not pass for well, and it is gone in a second.
const LIMITS: Limits = limit_core::limits!("1/second");
const SCOPE: Scope<'static> = Scope::shared("limit-runtime: is the store there?");

/// Starts it, unless there is no runtime: the next request tries again.
pub(super) fn start(shared: &Arc<Shared>) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(look(Arc::downgrade(shared)));
    }
}

async fn look(shared: Weak<Shared>) {
    let mut wait = FIRST;
    loop {
        tokio::time::sleep(jittered(wait)).await;
        wait = (wait * 2).min(LONGEST);
        // The limiter is gone, and nobody asks any more.
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if !shared.breaker.is_open() {
            return;
        }
        shared.breaker.prober_lives(shared.real.now());
        match shared.in_time(probe(&shared)).await {
            Ok(()) => {
                let open = shared.breaker.close(shared.real.now());
                shared.say_closed(open);
                return;
            }
            Err(error) => tracing::debug!(%error, "the rate limiter's store is still out"),
        }
    }
}

async fn probe(shared: &Shared) -> Result<(), StoreError> {
    let key = ().into_key();
    let charge = Charge {
        scope: SCOPE,
        key: &key,
        limits: &LIMITS,
        cost: 1,
        strategy: Strategy::FixedWindow,
        on_store_error: None,
    };
    shared.store.check(&[charge], Action::Force).await?;
    Ok(())
}

/// Somewhere in the upper half, so that machines do not come all at once.
fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(RandomState::new().hash_one(0) % micros)
}
