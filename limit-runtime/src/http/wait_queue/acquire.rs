//! What one request does: it checks, and waits in a queue while it is refused.

use super::{
    AheadWaiter, Arrival, QueueKey, QueuePermit, Queues, WaitQueues, Waiter,
    turn::{self, Assessment, Turn},
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

/// Whether a request may wait where its rules allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum WaitMode {
    /// It waits for as long as its rules allow.
    Allowed,
    /// It is checked without waiting, and does not overtake waiters: it is refused with its turn.
    Never,
}

/// Checks all `charges` as one, if need be after waiting for room.
///
/// `max_waits` says for each charge how long its rule lets a request wait. The rule in whose queue
/// the request is counts; the time is counted from the request's arrival. A request that would have
/// to wait longer, or that a rule without a wait refuses, is refused at once.
///
/// A peek does not wait: it is refused only where the charge that follows could not wait either.
///
/// # Errors
/// When the store could not answer.
pub(in crate::http) async fn acquire(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    action: Action,
    max_waits: &[Duration],
    mode: WaitMode,
) -> Result<Decision, StoreError> {
    if action == Action::Force {
        return limiter.decide(charges, action).await;
    }
    let mut request = Request::new(limiter, charges, max_waits);
    loop {
        let ahead = request.waiters_ahead();
        let assessment = if ahead.iter().all(Vec::is_empty) {
            let decision = limiter.decide(charges, action).await?;
            if decision.is_allowed() {
                return Ok(decision);
            }
            Assessment::from_store(decision, charges)
        } else {
            turn::assess(limiter, charges, &ahead).await?
        };
        let target = match mode {
            WaitMode::Allowed => {
                let waited = request.arrived_at.elapsed();
                target(&assessment.turns, max_waits, waited).filter(|_| has_timer())
            }
            WaitMode::Never => None,
        };
        if target.is_some() && action == Action::Peek {
            return Ok(assessment.decision.into_allowed());
        }
        match request.proceed(target, &ahead) {
            Next::Check => {}
            Next::CheckAfter(answered) => answered.await,
            Next::Wait { wake, limit } => match limit {
                // Elapsed or woken, the next check is due.
                Some(limit) => drop(timeout(limit, wake.notified()).await),
                None => wake.notified().await,
            },
            Next::Refuse => return Ok(assessment.decision),
        }
    }
}

/// Whether a request that the store refused so may wait for room, if nothing is ahead of it.
pub(in crate::http) fn may_wait(
    charges: &[Charge<'_>],
    max_waits: &[Duration],
    decision: &Decision,
) -> bool {
    let turns = turn::turns_of(decision, charges);
    target(&turns, max_waits, Duration::ZERO).is_some()
}

/// The decision on a request that is refused because of the waiters ahead of it, where that can be
/// said at once, as in memory. `None` if nothing waits for these budgets.
pub(in crate::http) fn refused_now(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    max_waits: &[Duration],
) -> Option<Decision> {
    if !limiter.counts_in_memory() || !limiter.wait_queues().has_waiters(charges) {
        return None;
    }
    let peek = pin!(acquire(
        limiter,
        charges,
        Action::Peek,
        max_waits,
        WaitMode::Allowed
    ));
    match peek.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(decision)) if !decision.is_allowed() => Some(decision),
        _ => None,
    }
}

/// Outside of a runtime there is no timer to wait with.
fn has_timer() -> bool {
    Handle::try_current().is_ok()
}

/// The queue to wait in; `None` if no wait that the rules allow is long enough.
fn target(turns: &[Turn], max_waits: &[Duration], waited: Duration) -> Option<Target> {
    let mut longest: Option<(Target, Duration)> = None;
    for (charge, (turn, &max_wait)) in turns.iter().zip(max_waits).enumerate() {
        match *turn {
            Turn::Now => {}
            Turn::Never => return None,
            Turn::After(_) if max_wait.is_zero() => return None,
            Turn::After(turn) => {
                if longest.is_none_or(|(longest, _)| turn > longest.turn) {
                    longest = Some((Target { charge, turn }, max_wait));
                }
            }
        }
    }
    let (target, max_wait) = longest?;
    (target.turn <= max_wait.saturating_sub(waited)).then_some(target)
}

/// A request that is being checked, and its place in a queue while it waits.
struct Request<'a> {
    queues: &'a WaitQueues,
    max_len: usize,
    charges: &'a [Charge<'a>],
    max_waits: &'a [Duration],
    /// The budget of each charge.
    keys: SmallVec<[QueueKey; 2]>,
    arrival: Arrival,
    arrived_at: Instant,
    permit: Option<QueuePermit<'a>>,
}

/// The queue to wait in.
#[derive(Clone, Copy, Debug)]
struct Target {
    /// The charge that refuses for the longest time.
    charge: usize,
    turn: Duration,
}

/// What a request does after it was refused.
enum Next {
    /// The queues have changed since they were looked at.
    Check,
    /// The store is answering a waiter ahead, after which the turn is a different one.
    CheckAfter(OwnedNotified),
    /// Until it is woken, or this time has passed.
    Wait {
        wake: Arc<Notify>,
        limit: Option<Duration>,
    },
    Refuse,
}

impl<'a> Request<'a> {
    fn new(limiter: &'a Limiter, charges: &'a [Charge<'a>], max_waits: &'a [Duration]) -> Self {
        let queues = limiter.wait_queues();
        Self {
            queues,
            max_len: limiter.longest_line(),
            charges,
            max_waits,
            keys: charges.iter().map(QueueKey::of).collect(),
            arrival: queues.next_arrival(),
            arrived_at: Instant::now(),
            permit: None,
        }
    }

    /// The waiters ahead in the queue of each charge. If there are none, and this request waits, it
    /// is marked as being checked.
    fn waiters_ahead(&self) -> Vec<Vec<AheadWaiter>> {
        let mut queues = self.queues.queues.lock();
        let ahead: Vec<_> = self
            .keys
            .iter()
            .map(|key| self.ahead_in(&queues, key))
            .collect();
        if ahead.iter().all(Vec::is_empty)
            && let Some(permit) = &self.permit
            && let Some(waiter) = queues.waiter(&permit.key, self.arrival)
        {
            waiter.is_checking = true;
        }
        ahead
    }

    fn ahead_in(&self, queues: &Queues, key: &QueueKey) -> Vec<AheadWaiter> {
        let ahead = queues.ahead_of(key, self.arrival);
        ahead
            .map(|(arrival, waiter)| (arrival, waiter.cost))
            .collect()
    }

    fn max_wait(&self, charge: usize) -> Duration {
        self.max_waits.get(charge).copied().unwrap_or_default()
    }

    /// Enters the queue of `target`, if the queues are what they were when `ahead` was looked at.
    fn proceed(&mut self, target: Option<Target>, ahead: &[Vec<AheadWaiter>]) -> Next {
        let mut queues = self.queues.queues.lock();
        if let Some(permit) = &self.permit {
            queues.end_check(&permit.key, self.arrival);
        }
        let mut is_earlier = false;
        let mut is_later = false;
        for (key, before) in self.keys.iter().zip(ahead) {
            let now = self.ahead_in(&queues, key);
            is_earlier |= before.iter().any(|waiter| !now.contains(waiter));
            is_later |= now.iter().any(|waiter| !before.contains(waiter));
        }
        // A refusal stands if the turn is later than it was; a place in a queue does not.
        if is_earlier || (is_later && target.is_some()) {
            return Next::Check;
        }
        if let Some(target) = target
            && let Some(wait) = self.enter(&mut queues, target)
        {
            return wait;
        }
        let mut keys = self.keys.iter();
        match keys.find_map(|key| queues.answer_ahead(key, self.arrival)) {
            Some(answered) => Next::CheckAfter(answered),
            None => Next::Refuse,
        }
    }

    /// Moves to the queue of `target`, in the place of the arrival; `None` if that queue is full.
    fn enter(&mut self, queues: &mut Queues, target: Target) -> Option<Next> {
        let key = self.keys.get(target.charge)?;
        let deadline = self.arrived_at.checked_add(self.max_wait(target.charge));
        let is_there = self
            .permit
            .as_ref()
            .is_some_and(|permit| permit.key == *key);
        if !is_there && queues.len(key) >= self.max_len {
            return None;
        }
        let permit = self.permit.get_or_insert_with(|| QueuePermit {
            queues: self.queues,
            key: key.clone(),
            arrival: self.arrival,
            wake: Arc::default(),
        });
        if is_there {
            if let Some(waiter) = queues.waiter(key, self.arrival) {
                waiter.deadline = deadline;
            }
        } else {
            self.queues.remove(queues, &permit.key, self.arrival);
            permit.key = key.clone();
            let draws = self
                .keys
                .iter()
                .zip(self.charges)
                .filter(|(own, _)| *own == key);
            let waiter = Waiter {
                cost: draws.map(|(_, charge)| charge.cost).max().unwrap_or(0),
                deadline,
                is_checking: false,
                wake: permit.wake.clone(),
            };
            self.queues
                .insert(queues, key.clone(), self.arrival, waiter);
        }
        Some(Next::Wait {
            wake: permit.wake.clone(),
            limit: queues.wait_limit(key, self.arrival, target.turn),
        })
    }
}
