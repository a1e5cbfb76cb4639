//! The loop of one request: it checks, and waits in a queue while it is refused.

use super::{
    queues::{Arrival, EarlierWaiter, QueueKey, QueuePermit, Queues, WaitQueues, Waiter},
    schedule::{self, Assessment, Availability},
};
use crate::{
    decision::Decision,
    limiter::Limiter,
    store::{Action, Charge, StoreError},
};
use smallvec::SmallVec;
use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, futures::OwnedNotified},
    time::{Instant, timeout},
};

/// How long a request may wait for room in the budget of a charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MaxWait {
    pub(crate) time: Duration,
    /// Whether the budget may have room sooner than its limits say, because requests reserve units
    /// and give them back. A request then waits for the whole time before it is refused.
    pub(crate) may_end_sooner: bool,
}

impl From<Duration> for MaxWait {
    fn from(time: Duration) -> Self {
        Self {
            time,
            may_end_sooner: false,
        }
    }
}

/// Whether a request may wait where its rules allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitMode {
    /// It waits for at most the time that its rules allow.
    Allowed,
    /// It does not wait. If earlier requests wait for its budgets, it is refused, with a
    /// `Retry-After` that accounts for them.
    Never,
}

/// Checks all `charges` as one, and waits for room if necessary.
///
/// `max_waits` has the maximum wait of each charge's rule, counted from the arrival of the request.
/// A request waits in the queue of the charge with the longest wait, and the maximum of that charge
/// applies. It is refused at once if that wait exceeds the maximum, or if a charge without a wait
/// has no room.
///
/// A peek never waits. It is refused only if a check that consumes would be refused without
/// waiting.
///
/// While it waits, it holds what `start_wait` returns for the index of the charge it waits for.
///
/// Returns the decision, and whether the request has waited for room.
///
/// # Errors
/// If the remote store does not answer.
pub(crate) async fn acquire<W>(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    action: Action,
    max_waits: &[MaxWait],
    mode: WaitMode,
    start_wait: impl Fn(usize) -> W,
) -> Result<(Decision, bool), StoreError> {
    if action == Action::Force {
        return Ok((limiter.check_all(charges, action).await?, false));
    }
    let mut request = Request::new(limiter, charges, max_waits);
    let mut waits: Option<(usize, W)> = None;
    loop {
        let earlier = request.begin_check();
        let assessment = if earlier.iter().all(Vec::is_empty) {
            let decision = limiter.check_all(charges, action).await?;
            if decision.is_allowed() {
                return Ok((decision, waits.is_some()));
            }
            Assessment::from_store(decision, charges)
        } else {
            schedule::assess(limiter, charges, &earlier).await?
        };
        let choice = match mode {
            WaitMode::Allowed => {
                let waited = request.arrived_at.elapsed();
                choose_queue(&assessment.availabilities, max_waits, waited).filter(|_| has_timer())
            }
            WaitMode::Never => None,
        };
        if choice.is_some() && action == Action::Peek {
            return Ok((assessment.decision.into_allowed(), waits.is_some()));
        }
        match request.next_step(choice, &earlier) {
            NextStep::Check => {}
            NextStep::CheckAfter(check_done) => check_done.await,
            NextStep::Sleep { wake, time } => {
                if let Some(QueueChoice { charge, .. }) = choice
                    && waits
                        .as_ref()
                        .is_none_or(|(waits_for, _)| *waits_for != charge)
                {
                    // The wait in another queue ends first.
                    drop(waits.take());
                    waits = Some((charge, start_wait(charge)));
                }
                match time {
                    // The request checks again, woken or not.
                    Some(time) => drop(timeout(time, wake.notified()).await),
                    None => wake.notified().await,
                }
            }
            NextStep::Refuse => return Ok((assessment.decision, waits.is_some())),
        }
    }
}

/// Whether a request with this refusal by the store may wait for room, if no earlier request waits.
pub(crate) fn may_wait(charges: &[Charge<'_>], max_waits: &[MaxWait], decision: &Decision) -> bool {
    let availabilities = schedule::availabilities(decision, charges);
    choose_queue(&availabilities, max_waits, Duration::ZERO).is_some()
}

/// The refusal of a request that cannot be admitted because of earlier waiters.
///
/// Returns `None` if the request may be admitted or wait, if no request waits for its budgets, or
/// if the limiter has a remote store, which cannot answer at once.
pub(crate) fn refused_now(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    max_waits: &[MaxWait],
) -> Option<Decision> {
    if !limiter.counts_in_memory() || !limiter.wait_queues().has_waiters(charges) {
        return None;
    }
    let peek = pin!(acquire(
        limiter,
        charges,
        Action::Peek,
        max_waits,
        WaitMode::Allowed,
        |_| ()
    ));
    match peek.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok((decision, _))) if !decision.is_allowed() => Some(decision),
        _ => None,
    }
}

/// Whether there is a Tokio runtime, which has the timer for a wait.
fn has_timer() -> bool {
    Handle::try_current().is_ok()
}

/// The queue with the longest wait. Returns `None` if a charge without room may not wait, or if the
/// wait exceeds the maximum of that charge.
fn choose_queue(
    availabilities: &[Availability],
    max_waits: &[MaxWait],
    waited: Duration,
) -> Option<QueueChoice> {
    let mut longest: Option<(QueueChoice, MaxWait)> = None;
    for (charge, (availability, &max_wait)) in availabilities.iter().zip(max_waits).enumerate() {
        match *availability {
            Availability::Now => {}
            Availability::Never => return None,
            Availability::After(_) if max_wait.time.is_zero() => return None,
            Availability::After(wait) => {
                let left = max_wait.time.saturating_sub(waited);
                let wait = match max_wait.may_end_sooner {
                    true if left.is_zero() => return None,
                    true => wait.min(left),
                    false => wait,
                };
                if longest.is_none_or(|(longest, _)| wait > longest.wait) {
                    longest = Some((QueueChoice { charge, wait }, max_wait));
                }
            }
        }
    }
    let (choice, max_wait) = longest?;
    (choice.wait <= max_wait.time.saturating_sub(waited)).then_some(choice)
}

/// A request that is being checked, and its place in a queue while it waits.
struct Request<'a> {
    queues: &'a WaitQueues,
    max_len: usize,
    charges: &'a [Charge<'a>],
    max_waits: &'a [MaxWait],
    /// The budget of each charge.
    keys: SmallVec<[QueueKey; 2]>,
    arrival: Arrival,
    arrived_at: Instant,
    permit: Option<QueuePermit<'a>>,
}

/// The queue to wait in, and the time until the request can be admitted.
#[derive(Clone, Copy, Debug)]
struct QueueChoice {
    /// The index of the charge to which the queue belongs.
    charge: usize,
    wait: Duration,
}

/// What to do after a refusal.
enum NextStep {
    /// Check again at once: the queues have changed during the check.
    Check,
    /// Check again when the check of an earlier waiter is complete, because its result changes the
    /// wait of this request.
    CheckAfter(OwnedNotified),
    /// Check again when woken, or after this time.
    Sleep {
        wake: Arc<Notify>,
        time: Option<Duration>,
    },
    Refuse,
}

impl<'a> Request<'a> {
    fn new(limiter: &'a Limiter, charges: &'a [Charge<'a>], max_waits: &'a [MaxWait]) -> Self {
        let queues = limiter.wait_queues();
        Self {
            queues,
            max_len: limiter.max_waiting(),
            charges,
            max_waits,
            keys: charges.iter().map(QueueKey::of).collect(),
            arrival: queues.next_arrival(),
            arrived_at: Instant::now(),
            permit: None,
        }
    }

    /// Returns the earlier waiters in the queue of each charge. If there are none and this request
    /// has a place in a queue, marks it as being checked.
    fn begin_check(&self) -> Vec<Vec<EarlierWaiter>> {
        let mut queues = self.queues.queues.lock();
        let earlier: Vec<_> = self
            .keys
            .iter()
            .map(|key| self.earlier_waiters(&queues, key))
            .collect();
        if earlier.iter().all(Vec::is_empty)
            && let Some(permit) = &self.permit
            && let Some(waiter) = queues.waiter(&permit.key, self.arrival)
        {
            waiter.is_checking = true;
        }
        earlier
    }

    fn earlier_waiters(&self, queues: &Queues, key: &QueueKey) -> Vec<EarlierWaiter> {
        let earlier = queues.waiters_before(key, self.arrival);
        earlier
            .map(|(arrival, waiter)| (arrival, waiter.cost))
            .collect()
    }

    fn max_wait(&self, charge: usize) -> Duration {
        let max_wait = self.max_waits.get(charge);
        max_wait.map_or(Duration::ZERO, |max_wait| max_wait.time)
    }

    /// Decides what to do after a refusal, and joins the chosen queue for a wait.
    ///
    /// `at_check` has the earlier waiters at the time of the check.
    fn next_step(
        &mut self,
        choice: Option<QueueChoice>,
        at_check: &[Vec<EarlierWaiter>],
    ) -> NextStep {
        let mut queues = self.queues.queues.lock();
        if let Some(permit) = &self.permit {
            queues.end_check(&permit.key, self.arrival);
        }
        let mut has_fewer_before = false;
        let mut has_more_before = false;
        for (key, at_check) in self.keys.iter().zip(at_check) {
            let now = self.earlier_waiters(&queues, key);
            has_fewer_before |= at_check.iter().any(|waiter| !now.contains(waiter));
            has_more_before |= now.iter().any(|waiter| !at_check.contains(waiter));
        }
        // With fewer waiters before it, the request may be admitted sooner. With more of them it
        // is admitted later: a refusal remains correct, but the wait may now exceed its maximum.
        if has_fewer_before || (has_more_before && choice.is_some()) {
            return NextStep::Check;
        }
        if let Some(choice) = choice
            && let Some(sleep) = self.join(&mut queues, choice)
        {
            return sleep;
        }
        let mut keys = self.keys.iter();
        match keys.find_map(|key| queues.earlier_check_done(key, self.arrival)) {
            Some(check_done) => NextStep::CheckAfter(check_done),
            None => NextStep::Refuse,
        }
    }

    /// Joins the chosen queue in order of arrival, and leaves the previous one. Returns `None` if
    /// the queue is full.
    fn join(&mut self, queues: &mut Queues, choice: QueueChoice) -> Option<NextStep> {
        let key = self.keys.get(choice.charge)?;
        let deadline = self.arrived_at.checked_add(self.max_wait(choice.charge));
        let is_in_queue = self
            .permit
            .as_ref()
            .is_some_and(|permit| permit.key == *key);
        if !is_in_queue && queues.len(key) >= self.max_len {
            return None;
        }
        let permit = self.permit.get_or_insert_with(|| QueuePermit {
            queues: self.queues,
            key: key.clone(),
            arrival: self.arrival,
            wake: Arc::default(),
        });
        if is_in_queue {
            if let Some(waiter) = queues.waiter(key, self.arrival) {
                waiter.deadline = deadline;
            }
        } else {
            self.queues.remove(queues, &permit.key, self.arrival);
            permit.key = key.clone();
            // Charges on one budget consume the largest of their costs.
            let same_budget = self
                .keys
                .iter()
                .zip(self.charges)
                .filter(|(own, _)| *own == key);
            let waiter = Waiter {
                cost: same_budget
                    .map(|(_, charge)| charge.cost)
                    .max()
                    .unwrap_or(0),
                deadline,
                is_checking: false,
                wake: permit.wake.clone(),
            };
            self.queues
                .insert(queues, key.clone(), self.arrival, waiter);
        }
        Some(NextStep::Sleep {
            wake: permit.wake.clone(),
            time: queues.sleep_time(key, self.arrival, choice.wait),
        })
    }
}
