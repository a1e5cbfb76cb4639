//! Waiting for room in place of a refusal: in a line of bounded length, first come first served.

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
    time::{Instant, sleep, timeout_at},
};

/// The lines of a limiter: one for each budget and key that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom {
    lines: Mutex<HashMap<Key, Line>>,
}

#[derive(Debug, Default)]
struct Line {
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

/// Consumes `charges`, if need be after waiting at most `patience` in the line `key`.
///
/// A request whose turn cannot come in time is refused without waiting for it.
pub(super) async fn decide(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    patience: Duration,
    key: Key,
) -> Result<Decision, StoreError> {
    let deadline = Instant::now() + patience;
    let room = limiter.waiting_room();
    let is_hopeless = |decision: &Decision| {
        let wait = decision.retry_after();
        wait.is_none_or(|wait| Instant::now() + wait > deadline)
    };
    if !room.has_line(&key) {
        let decision = limiter.decide(charges, Action::Consume).await?;
        if decision.is_allowed() || is_hopeless(&decision) {
            return Ok(decision);
        }
    }
    let Some(place) = room.join(key, limiter.longest_line()) else {
        return refuse(limiter, charges).await;
    };
    let Ok(_turn) = timeout_at(deadline, place.turn.lock()).await else {
        return refuse(limiter, charges).await;
    };
    loop {
        let decision = limiter.decide(charges, Action::Consume).await?;
        if decision.is_allowed() || is_hopeless(&decision) {
            return Ok(decision);
        }
        sleep(decision.retry_after().unwrap_or_default()).await;
    }
}

/// How the charges stand for one who is not served. What room there is belongs to those ahead in the line.
async fn refuse(limiter: &Limiter, charges: &[Charge<'_>]) -> Result<Decision, StoreError> {
    let decision = limiter.decide(charges, Action::Peek).await?;
    if !decision.is_allowed() {
        return Ok(decision);
    }
    let refused = decision.outcomes().iter().map(|outcome| Outcome {
        verdict: Verdict::RetryAfter(outcome.reset_after),
        ..*outcome
    });
    Ok(Decision::new(refused))
}
