//! Waiting for room in place of a refusal: in a line of bounded length, first come first served.

use super::{
    spec::{Demand, Demands, line_of},
    standing::Standing,
};
use crate::{
    decision::{Decision, Outcome, Verdict},
    key::Key,
    limiter::Limiter,
    store::{Action, Charge, StoreError},
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Mutex as Turn,
    time::{Instant, sleep, timeout},
};

/// The lines of a limiter: one for each budget and key that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom {
    lines: Mutex<HashMap<Key, Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Held by the one in front; tokio's lock is fair, so the others follow in the order in which they came.
    turn: Arc<Turn<()>>,
    waiting: usize,
}

/// A place in a line. Dropping it, as a cancelled request does, leaves the line.
struct Place<'a> {
    room: &'a WaitingRoom,
    key: Key,
    turn: Arc<Turn<()>>,
}

impl WaitingRoom {
    fn has_line(&self, key: &Key) -> bool {
        self.lines.lock().contains_key(key)
    }

    /// `None` if `longest` are waiting already.
    fn join(&self, key: Key, longest: usize) -> Option<Place<'_>> {
        let turn = {
            let mut lines = self.lines.lock();
            let line = lines.entry(key.clone()).or_default();
            if line.waiting >= longest {
                return None;
            }
            line.waiting += 1;
            line.turn.clone()
        };
        Some(Place {
            room: self,
            key,
            turn,
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut line) = self.room.lines.lock().entry(self.key.clone()) {
            line.get_mut().waiting -= 1;
            if line.get().waiting == 0 {
                line.remove();
            }
        }
    }
}

/// Which line a request waits in, and how long.
pub(super) struct Line<'a> {
    key: Key,
    demands: &'a Demands,
}

impl<'a> Line<'a> {
    /// `None` if no policy lets requests wait.
    pub(super) fn of(standing: &'a Standing) -> Option<Self> {
        let patient = |demand: &&Demand| !demand.spec.wait.is_zero();
        let demand = standing.demands.iter().find(patient)?;
        Some(Self {
            key: line_of(demand, standing.route.as_ref()),
            demands: &standing.demands,
        })
    }

    /// How long a request that was refused so may wait: as long as each policy that refused lets it.
    fn patience(&self, decision: &Decision) -> Duration {
        let mut outcomes = decision.outcomes().iter();
        let patience = self.demands.iter().filter_map(|demand| {
            let mut outcomes = outcomes.by_ref().take(demand.limits.len());
            // All of them, so that the next demand finds its own.
            let refused = outcomes
                .by_ref()
                .fold(false, |refused, outcome| refused | !outcome.is_allowed());
            refused.then_some(demand.spec.wait)
        });
        patience.min().unwrap_or_else(|| self.longest())
    }

    fn longest(&self) -> Duration {
        let waits = self.demands.iter().map(|demand| demand.spec.wait);
        waits.max().unwrap_or_default()
    }

    /// Whether no wait that the policies allow is of use.
    pub(super) fn is_hopeless(&self, decision: &Decision) -> bool {
        let patience = self.patience(decision);
        decision.retry_after().is_none_or(|wait| wait > patience)
    }

    /// The same for one who has waited for `waited` already.
    fn is_lost(&self, decision: &Decision, waited: Duration) -> bool {
        let patience = self.patience(decision).saturating_sub(waited);
        decision.retry_after().is_none_or(|wait| wait > patience)
    }

    /// How the charges stand for one who is not served. What room there is belongs to those ahead in the line,
    /// who have all had their turn once the longest wait is over.
    async fn refuse(
        &self,
        limiter: &Limiter,
        charges: &[Charge<'_>],
    ) -> Result<Decision, StoreError> {
        let decision = limiter.decide(charges, Action::Peek).await?;
        if !decision.is_allowed() {
            return Ok(decision);
        }
        let patient = |demand: &Demand| !demand.spec.wait.is_zero();
        let of_limits = self
            .demands
            .iter()
            .flat_map(|demand| demand.limits.iter().map(move |_| demand));
        let mut ahead = Some(self.longest());
        let refused =
            decision
                .outcomes()
                .iter()
                .zip(of_limits)
                .map(|(outcome, demand)| match ahead {
                    Some(wait) if patient(demand) => {
                        ahead = None;
                        let verdict = Verdict::RetryAfter(wait);
                        let (left, reset) = (outcome.remaining(), outcome.reset_after());
                        Outcome::new(outcome.limit(), left, reset, verdict)
                    }
                    _ => *outcome,
                });
        Ok(Decision::new(refused))
    }
}

/// Consumes `charges`, if need be after waiting in the line for as long as its policies allow.
///
/// A request that cannot be served in time is refused without waiting for it.
pub(super) async fn decide(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    line: &Line<'_>,
) -> Result<Decision, StoreError> {
    let room = limiter.waiting_room();
    let action = if room.has_line(&line.key) {
        Action::Peek
    } else {
        Action::Consume
    };
    let decision = limiter.decide(charges, action).await?;
    let is_served = decision.is_allowed() && action == Action::Consume;
    if is_served || (!decision.is_allowed() && line.is_hopeless(&decision)) {
        return Ok(decision);
    }
    let start = Instant::now();
    let patience = line.patience(&decision);
    let Some(place) = room.join(line.key.clone(), limiter.longest_line()) else {
        return line.refuse(limiter, charges).await;
    };
    let Ok(_turn) = timeout(patience, place.turn.lock()).await else {
        return line.refuse(limiter, charges).await;
    };
    loop {
        let decision = limiter.decide(charges, Action::Consume).await?;
        if decision.is_allowed() || line.is_lost(&decision, start.elapsed()) {
            return Ok(decision);
        }
        sleep(decision.retry_after().unwrap_or_default()).await;
    }
}
