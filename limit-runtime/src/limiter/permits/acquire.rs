//! The loop of one request: it takes all permits that it needs, or waits for one of them.

use super::table::{Arrival, Budget, Permits};
use crate::{
    key::Key,
    limiter::{Limiter, wait_queue::WaitMode},
    store::{
        Fallback, Scope, StoreError,
        resilience::{Guard, Lease, LeaseAnswer},
    },
};
use smallvec::SmallVec;
use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, timeout},
};

/// How often a waiting request asks a remote store: other processes release permits as well.
const ASK_INTERVAL: Duration = Duration::from_millis(100);

/// A permit that a request needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermitRequest<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) key: &'a Key,
    /// How many requests may be in flight.
    pub(crate) max: NonZeroU64,
    /// How long to wait for it.
    pub(crate) max_wait: Duration,
    pub(crate) on_store_error: Option<Fallback>,
}

/// Permits that a request holds. They are released when this is dropped.
pub(crate) struct HeldPermits {
    limiter: Limiter,
    arrival: Arrival,
    permits: SmallVec<[HeldPermit; 1]>,
    /// Whether the request does not get them after all, and need not be woken for them.
    is_refused: bool,
    is_of_fallback: bool,
    has_waited: bool,
}

struct HeldPermit {
    budget: Budget,
    /// `None` in memory, and until the remote store has answered.
    lease: Option<Lease>,
}

impl HeldPermits {
    fn new(limiter: &Limiter, arrival: Arrival) -> Self {
        Self {
            limiter: limiter.clone(),
            arrival,
            is_refused: false,
            permits: SmallVec::new(),
            is_of_fallback: false,
            has_waited: false,
        }
    }

    /// Whether a permit was granted without an answer of the remote store.
    pub(crate) fn is_of_fallback(&self) -> bool {
        self.is_of_fallback
    }

    /// Whether the request has waited for a permit.
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited
    }
}

impl Drop for HeldPermits {
    fn drop(&mut self) {
        let except = self.is_refused.then_some(self.arrival);
        for permit in self.permits.drain(..) {
            // First in the store, so that a waiter that is woken finds it free there.
            drop(permit.lease);
            self.limiter.permits().release(&permit.budget, except);
        }
    }
}

impl fmt::Debug for HeldPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldPermits")
            .field("permits", &self.permits.len())
            .finish_non_exhaustive()
    }
}

/// A place in a queue. It is left when this is dropped.
struct Place<'a> {
    permits: &'a Permits,
    /// The index of the permit to which the queue belongs.
    index: usize,
    budget: &'a Budget,
    arrival: Arrival,
    wake: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.permits.leave(self.budget, self.arrival);
    }
}

/// Takes all permits, or none. A request waits for a permit that is not free, for at most the time
/// that it allows, counted from the arrival of the request.
///
/// While it waits, it holds what `start_wait` returns for the index of the permit. The inner error
/// is the index of a permit that is not free.
///
/// # Errors
/// If the remote store does not answer, and the fallback is to refuse.
pub(crate) async fn acquire<W>(
    limiter: &Limiter,
    requests: &[PermitRequest<'_>],
    mode: WaitMode,
    start_wait: impl Fn(usize) -> W,
) -> Result<Result<HeldPermits, usize>, StoreError> {
    let permits = limiter.permits();
    let budgets: SmallVec<[Budget; 1]> = requests
        .iter()
        .map(|request| Budget::new(request.scope, request.key))
        .collect();
    let arrival = permits.next_arrival();
    let arrived_at = Instant::now();
    let mut waits: Option<(Place<'_>, W)> = None;
    let mut has_waited = false;
    loop {
        let refused = match try_all(limiter, requests, &budgets, arrival).await? {
            Ok(mut held) => {
                held.has_waited = has_waited;
                return Ok(Ok(held));
            }
            Err(refused) => refused,
        };
        let Some((request, budget)) = requests.get(refused).zip(budgets.get(refused)) else {
            return Ok(Err(refused));
        };
        let left = request.max_wait.saturating_sub(arrived_at.elapsed());
        // Without a runtime there is no timer.
        if left.is_zero() || mode == WaitMode::Never || Handle::try_current().is_err() {
            return Ok(Err(refused));
        }
        let is_in_queue = waits
            .as_ref()
            .is_some_and(|(place, _)| place.index == refused);
        if !is_in_queue {
            // The wait in another queue ends first.
            drop(waits.take());
            let Some(wake) = permits.join(budget, arrival, limiter.max_waiting()) else {
                return Ok(Err(refused));
            };
            let place = Place {
                permits,
                index: refused,
                budget,
                arrival,
                wake,
            };
            waits = Some((place, start_wait(refused)));
        }
        if let Some((place, _)) = &waits {
            has_waited = true;
            let time = match limiter.counts_in_memory() {
                true => left,
                false => left.min(ASK_INTERVAL),
            };
            // The request asks again, woken or not.
            let _ = timeout(time, place.wake.notified()).await;
        }
    }
}

/// The index of a permit that is not free and that the request may not wait for, as far as this
/// process knows without asking a store. Takes none.
pub(crate) fn refused_now(limiter: &Limiter, requests: &[PermitRequest<'_>]) -> Option<usize> {
    requests.iter().position(|request| {
        let budget = Budget::new(request.scope, request.key);
        request.max_wait.is_zero()
            && limiter
                .permits()
                .is_full(&budget, max_here(limiter, request))
    })
}

/// How many permits this process grants. What the fallback lets through, the store alone decides.
fn max_here(limiter: &Limiter, request: &PermitRequest<'_>) -> u64 {
    let is_counted_here = |guard: &Guard| guard.counts_permits_of_process(request.on_store_error);
    match limiter.guard().is_none_or(is_counted_here) {
        true => request.max.get(),
        false => u64::MAX,
    }
}

/// Takes all permits. If one is not free, gives the others back, and returns its index.
async fn try_all(
    limiter: &Limiter,
    requests: &[PermitRequest<'_>],
    budgets: &[Budget],
    arrival: Arrival,
) -> Result<Result<HeldPermits, usize>, StoreError> {
    let mut held = HeldPermits::new(limiter, arrival);
    for (index, (request, budget)) in requests.iter().zip(budgets).enumerate() {
        let max = max_here(limiter, request);
        if !limiter.permits().try_take(budget, max, arrival) {
            held.is_refused = true;
            return Ok(Err(index));
        }
        held.permits.push(HeldPermit {
            budget: budget.clone(),
            lease: None,
        });
    }
    let Some(guard) = limiter.guard() else {
        return Ok(Ok(held));
    };
    for (index, request) in requests.iter().enumerate() {
        let budget = (request.scope, request.key);
        let answer = guard
            .acquire_lease(budget, request.max, request.on_store_error)
            .await?;
        let lease = match answer {
            LeaseAnswer::Granted(lease) => lease,
            LeaseAnswer::OfFallback(lease) => {
                held.is_of_fallback = true;
                Some(lease)
            }
            LeaseAnswer::Refused => {
                held.is_refused = true;
                return Ok(Err(index));
            }
        };
        if let Some(permit) = held.permits.get_mut(index) {
            permit.lease = lease;
        }
    }
    Ok(Ok(held))
}
