//! Local counts: counts in this process's memory, kept beside a remote store.
//!
//! Every check is charged here before the remote store is called, and the charge is taken back if
//! the store denies it. So these counts include everything this process has admitted, and during an
//! outage they are complete from the start.
//!
//! While the store answers, its decision applies, whatever the local counts say. After an outage,
//! the store does not know what was admitted meanwhile. After a reconnect, it may have lost its
//! data. In both cases this process is on [probation](LocalCounts::is_on_probation) until
//! everything counted until then has left the windows: a check is then admitted only if both the
//! store and the local counts allow it. With a single process, no more than the limit is admitted.

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
pub(super) struct LocalCounts {
    memory: MemoryStore,
    clock: Clock,
    /// The longest `reset_after` of any charge so far, in microseconds. After this time without
    /// charges, all counts are 0.
    longest_reset: AtomicU64,
    /// The end of the probation, in microseconds of `clock`. 0 if there was none.
    probation_ends: AtomicU64,
    /// The [epoch](crate::store::Store::epoch) of the store at the last check.
    epoch: AtomicU64,
}

impl LocalCounts {
    pub(super) fn new(clock: Clock, bounds: Bounds, epoch: u64) -> Self {
        Self {
            memory: MemoryStore::new(clock.clone(), bounds),
            clock,
            longest_reset: AtomicU64::new(0),
            probation_ends: AtomicU64::new(0),
            epoch: AtomicU64::new(epoch),
        }
    }

    /// Charges `charges`, whether they fit or not. The charge is undone when the returned value is
    /// dropped, unless it is [committed](LocalCharge::commit).
    pub(super) fn charge<'a>(&'a self, charges: &'a [Charge<'a>]) -> LocalCharge<'a> {
        let decision = self.memory.check(charges, Action::Force);
        self.note_reset(&decision);
        LocalCharge {
            counts: self,
            charges,
            decision: Some(decision),
        }
    }

    /// Charges `charges` if they fit, as [`charge`](Self::charge) does.
    ///
    /// # Errors
    /// The denial, if they do not fit.
    #[expect(
        clippy::result_large_err,
        reason = "the error is the denial that is returned to the client"
    )]
    pub(super) fn try_charge<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
    ) -> Result<LocalCharge<'a>, Decision> {
        let decision = self.memory.check(charges, Action::Consume);
        if !decision.is_allowed() {
            return Err(decision);
        }
        self.note_reset(&decision);
        Ok(LocalCharge {
            counts: self,
            charges,
            decision: Some(decision),
        })
    }

    /// Decides instead of the store, and begins a probation if anything is consumed.
    pub(super) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let decision = self.memory.check(charges, action);
        if !decision.receipts().is_empty() {
            self.note_reset(&decision);
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

    /// Whether a check has to fit in the local counts as well as in the store.
    ///
    /// A change of the store's `epoch` begins a probation.
    pub(super) fn is_on_probation(&self, epoch: u64) -> bool {
        let previous = self.epoch.load(Ordering::Relaxed);
        if previous != epoch {
            // Nothing can be lost before the first connection.
            if previous != 0 {
                self.begin_probation();
            }
            self.epoch.store(epoch, Ordering::Relaxed);
        }
        let ends = self.probation_ends.load(Ordering::Relaxed);
        ends > 0 && self.clock.now() < Ticks::from_micros(ends)
    }

    fn begin_probation(&self) {
        let longest = self.longest_reset.load(Ordering::Relaxed);
        let ends = self.clock.now().as_micros().saturating_add(longest);
        self.probation_ends.fetch_max(ends, Ordering::Relaxed);
    }

    fn note_reset(&self, decision: &Decision) {
        let resets = decision.outcomes().iter().map(Outcome::reset_after_micros);
        let longest = resets.max().unwrap_or_default();
        if self.longest_reset.load(Ordering::Relaxed) < longest {
            self.longest_reset.fetch_max(longest, Ordering::Relaxed);
        }
    }
}

/// A charge on the local counts that is undone on drop, for example because the request was
/// cancelled while the store was called.
pub(super) struct LocalCharge<'a> {
    counts: &'a LocalCounts,
    charges: &'a [Charge<'a>],
    /// `None` once committed.
    decision: Option<Decision>,
}

impl LocalCharge<'_> {
    /// Whether the charges fit in the local counts.
    pub(super) fn did_fit(&self) -> bool {
        self.decision.as_ref().is_none_or(Decision::is_allowed)
    }

    /// Makes the charge permanent. Returns the decision with the receipts for a refund.
    pub(super) fn commit(mut self) -> Option<Decision> {
        self.decision.take()
    }
}

impl Drop for LocalCharge<'_> {
    fn drop(&mut self) {
        if let Some(decision) = &self.decision {
            self.counts.refund(self.charges, decision.receipts());
        }
    }
}
