//! The local window that is kept warm while the store is well, and takes over when it is not.
//!
//! Every check is recorded here before the store is asked, and taken back if the store denies it. So
//! whatever was admitted by either is in these counts, and an outage begins with them.
//!
//! While the store is well its word holds, whatever stands here. But what was admitted during an outage
//! is unknown to it, and what it knew before may be gone: after an outage or a new connection this
//! process is on [probation](Shadow::is_on_probation) until all that was counted by then has left the
//! windows. Until then both must agree. One process alone thus never admits more than the limit.

use crate::{
    clock::{Clock, Ticks},
    decision::{Decision, Outcome, Receipt},
    key::Key,
    store::{
        Action, Charge, Scope,
        memory::{Bounds, MemoryStore},
    },
};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Shadow {
    memory: MemoryStore,
    clock: Clock,
    /// Of everything that was ever counted here, the longest time until it is gone: microseconds.
    longest: AtomicU64,
    probation_ends: AtomicU64,
    epoch: AtomicU64,
}

impl Shadow {
    pub(super) fn new(clock: Clock, bounds: Bounds, epoch: u64) -> Self {
        Self {
            memory: MemoryStore::new(clock.clone(), bounds),
            clock,
            longest: AtomicU64::new(0),
            probation_ends: AtomicU64::new(0),
            epoch: AtomicU64::new(epoch),
        }
    }

    /// Records `charges` until the reservation is dropped, or for good if it is kept.
    pub(super) fn reserve<'a>(&'a self, charges: &'a [Charge<'a>]) -> Reservation<'a> {
        let decision = self.memory.check(charges, Action::Force);
        self.note_longest(&decision);
        Reservation {
            shadow: self,
            charges,
            decision: Some(decision),
        }
    }

    /// The same, if they have room.
    ///
    /// # Errors
    /// The denial, if they have not.
    #[expect(
        clippy::result_large_err,
        reason = "it is an answer, and goes on to the client"
    )]
    pub(super) fn try_reserve<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
    ) -> Result<Reservation<'a>, Decision> {
        let decision = self.memory.check(charges, Action::Consume);
        if !decision.is_allowed() {
            return Err(decision);
        }
        self.note_longest(&decision);
        Ok(Reservation {
            shadow: self,
            charges,
            decision: Some(decision),
        })
    }

    /// Answers in the store's place.
    pub(super) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let decision = self.memory.check(charges, action);
        if !decision.receipts().is_empty() {
            self.note_longest(&decision);
            self.begin_probation();
        }
        decision
    }

    pub(super) fn refund(&self, charges: &[Charge<'_>], receipts: &[Receipt]) {
        self.memory.refund(charges, receipts);
    }

    pub(super) fn reset_key(&self, scope: Scope<'_>, key: &Key) -> u64 {
        self.memory.reset_key(scope, key)
    }

    pub(super) fn reset_all(&self) {
        self.memory.reset_all();
    }

    /// Whether these counts bind although the store is well.
    pub(super) fn is_on_probation(&self, epoch: u64) -> bool {
        let before = self.epoch.load(Ordering::Relaxed);
        if before != epoch {
            // The first connection loses nothing.
            if before != 0 {
                self.begin_probation();
            }
            self.epoch.store(epoch, Ordering::Relaxed);
        }
        let ends = self.probation_ends.load(Ordering::Relaxed);
        ends > 0 && self.clock.now() < Ticks::from_micros(ends)
    }

    fn begin_probation(&self) {
        let longest = self.longest.load(Ordering::Relaxed);
        let ends = self.clock.now().as_micros().saturating_add(longest);
        self.probation_ends.fetch_max(ends, Ordering::Relaxed);
    }

    fn note_longest(&self, decision: &Decision) {
        let resets = decision.outcomes().iter().map(Outcome::reset_after_micros);
        let longest = resets.max().unwrap_or_default();
        if self.longest.load(Ordering::Relaxed) < longest {
            self.longest.fetch_max(longest, Ordering::Relaxed);
        }
    }
}

/// Charges that are recorded here while the store is asked. Dropped, they are taken back: a request that went away is not counted.
pub(super) struct Reservation<'a> {
    shadow: &'a Shadow,
    charges: &'a [Charge<'a>],
    decision: Option<Decision>,
}

impl Reservation<'_> {
    /// Whether they had room here.
    pub(super) fn had_room(&self) -> bool {
        self.decision.as_ref().is_none_or(Decision::is_allowed)
    }

    /// Leaves them recorded; answers with what gives them back.
    pub(super) fn keep(mut self) -> Option<Decision> {
        self.decision.take()
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(decision) = &self.decision {
            self.shadow.refund(self.charges, decision.receipts());
        }
    }
}
