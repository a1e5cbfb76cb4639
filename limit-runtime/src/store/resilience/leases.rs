//! Leases of permits that are held in this process: taken with a request, extended and released by
//! a background task.
//!
//! - A lease lives for 1.5 s after it was last extended, which the task does every 0.5 s. So the
//!   permits of a process that was killed are free after at most 1.5 s, and two heartbeats may fail
//!   without a loss.
//! - If the store does not answer a request, the fallback decides. A permit that it grants gets its
//!   lease from the task, once the store answers again.
//! - A lease is not released while it is being extended: it would be taken again.

use super::{
    background,
    health::count,
    lease_registry::{Ids, OwnedBudget, TIME_TO_LIVE},
    send,
    shared::{Shared, unavailable},
};
use crate::{
    diagnostics::{self, Misconfiguration},
    key::Key,
    store::{
        error::StoreError,
        fallback::Fallback,
        leases::{LeaseStore, Leases},
        scope::Scope,
        store_future::StoreFuture,
    },
};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{runtime::Handle, task::JoinSet, time::Instant};

/// How often leases are extended: a third of their time to live.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long releases are collected, to be sent together.
const COLLECT: Duration = Duration::from_millis(1);
/// How many calls are under way at once.
const CONCURRENT: usize = 64;

/// What the store says to a request for a permit.
#[derive(Debug)]
pub(crate) enum LeaseAnswer {
    /// The permit is granted. `None`: the store keeps no leases.
    Granted(Option<Lease>),
    /// The store did not answer, and the fallback grants the permit.
    OfFallback(Lease),
    /// As many leases as allowed are held.
    Refused,
}

/// A lease that is held. It is released when this is dropped.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    budget: OwnedBudget,
    id: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.leases.release(&self.budget, self.id);
        start_if_needed(&self.shared);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

/// A lease that is being taken. If the request ends first, the lease is released.
struct Attempt<'a> {
    shared: &'a Arc<Shared>,
    /// `None` once it is decided.
    budget: Option<OwnedBudget>,
    id: u64,
}

impl Attempt<'_> {
    /// Holds the lease.
    fn hold(mut self) -> Option<Lease> {
        let budget = self.budget.take()?;
        self.shared.leases.hold(&budget, self.id);
        start_if_needed(self.shared);
        Some(Lease {
            shared: self.shared.clone(),
            budget,
            id: self.id,
        })
    }

    /// The store has no such lease.
    fn refused(mut self) {
        self.budget = None;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.take() {
            self.shared.leases.release(&budget, self.id);
            start_if_needed(self.shared);
        }
    }
}

/// Asks for a lease of a permit.
///
/// # Errors
/// If the store did not answer, and the fallback is to refuse.
pub(super) async fn acquire(
    shared: &Arc<Shared>,
    (scope, key): (Scope<'_>, &Key),
    max: NonZeroU64,
    own_fallback: Option<Fallback>,
) -> Result<LeaseAnswer, StoreError> {
    let Some(store) = shared.store.leases() else {
        diagnostics::warn_once(Misconfiguration::PermitsOfOneProcess);
        return Ok(LeaseAnswer::Granted(None));
    };
    let fallback = own_fallback.unwrap_or(shared.settings.fallback);
    let attempt = Attempt {
        shared,
        budget: Some(OwnedBudget::new(scope, key)),
        id: RandomState::new().hash_one(0),
    };
    if send::is_open(shared) {
        return fall_back(attempt, fallback, None);
    }
    let ids = [attempt.id];
    // A waiter that was woken by a release needs it in the store first.
    let released = attempt.budget.as_ref();
    let released = released.map(|budget| shared.leases.take_released_of(budget));
    let released = released.unwrap_or_default();
    let leases = Leases {
        scope,
        key,
        ids: &ids,
        time_to_live: TIME_TO_LIVE,
    };
    match send::send(shared, store.acquire(leases, max.get(), &released)).await {
        Ok(true) => Ok(LeaseAnswer::Granted(attempt.hold())),
        Ok(false) => {
            attempt.refused();
            Ok(LeaseAnswer::Refused)
        }
        Err(error) => fall_back(attempt, fallback, Some(error)),
    }
}

fn fall_back(
    attempt: Attempt<'_>,
    fallback: Fallback,
    error: Option<StoreError>,
) -> Result<LeaseAnswer, StoreError> {
    count(&attempt.shared.counters.fallbacks);
    if fallback == Fallback::Deny {
        return Err(error.unwrap_or_else(unavailable));
    }
    // This process has counted the permit already.
    Ok(match attempt.hold() {
        Some(lease) => LeaseAnswer::OfFallback(lease),
        None => LeaseAnswer::Granted(None),
    })
}

/// Starts the task if it is needed. Without a tokio runtime it does nothing, and a later request
/// tries again.
fn start_if_needed(shared: &Arc<Shared>) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if shared.leases.needs_task(shared.real_clock.now()) {
        background::spawn(&runtime, shared, run, |shared| {
            shared.leases.task_has_ended();
        });
    }
}

async fn run(shared: Weak<Shared>) {
    let mut heartbeat_at = Instant::now() + HEARTBEAT;
    // The limiter has been dropped if there is nothing to upgrade to.
    while let Some(shared) = shared.upgrade() {
        if Instant::now() >= heartbeat_at {
            if !shared.leases.task_goes_on(shared.real_clock.now()) {
                return;
            }
            heartbeat_at = Instant::now() + HEARTBEAT;
            if !send::is_open(&shared) {
                let held = shared.leases.start_extending();
                send_all(&shared, held, |store, leases| store.extend(leases)).await;
            }
        }
        send_released(&shared).await;
        shared.leases.task_is_alive(shared.real_clock.now());
        let changed = shared.leases.changed.clone();
        drop(shared);
        let next = tokio::time::timeout_at(heartbeat_at, changed.notified());
        // It looks at both, woken or not.
        if next.await.is_ok() {
            // The next waiter of this process may release it with its own request.
            tokio::time::sleep(COLLECT).await;
        }
    }
}

/// Sends the releases. One that gets no answer is not repeated, because the lease expires.
pub(super) async fn send_released(shared: &Arc<Shared>) {
    let released = shared.leases.take_released();
    if !send::is_open(shared) {
        send_all(shared, released, |store, leases| store.release(leases)).await;
    }
}

/// Makes a call for each budget, many at once. For the circuit breaker only requests count.
async fn send_all(
    shared: &Arc<Shared>,
    budgets: Vec<(OwnedBudget, Ids)>,
    call: for<'a> fn(&'a dyn LeaseStore, Leases<'a>) -> StoreFuture<'a, ()>,
) {
    let mut calls = JoinSet::new();
    for (budget, ids) in budgets {
        if calls.len() >= CONCURRENT {
            calls.join_next().await;
            shared.leases.task_is_alive(shared.real_clock.now());
        }
        let shared = shared.clone();
        // Made here, so that it is dropped with a task that its runtime never runs.
        let under_way = UnderWay { shared, ids };
        calls.spawn(async move {
            let UnderWay { shared, ids } = &under_way;
            let Some(store) = shared.store.leases() else {
                return;
            };
            let called = shared.with_deadline(call(store, budget.leases(ids)));
            if let Err(error) = called.await {
                tracing::debug!(%error, "cannot extend or release leases of permits");
            }
        });
    }
    while calls.join_next().await.is_some() {
        shared.leases.task_is_alive(shared.real_clock.now());
    }
}

/// A call for these leases. When it is dropped, they are not extended any more.
struct UnderWay {
    shared: Arc<Shared>,
    ids: Ids,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.leases.end_extending(&self.ids);
    }
}
