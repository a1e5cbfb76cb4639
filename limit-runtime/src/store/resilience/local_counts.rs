//! Local counts: counts in this process's memory, kept beside a remote store.
//!
//! Every check is charged here before the remote store is called, and the charge is taken back if
//! the store denies it. So these counts include everything this process has admitted, and during an
//! outage they are complete from the start.
//!
//! While the store answers, its decision applies, whatever the local counts say. A budget that the
//! store may not know completely is on [probation](super::probation): a check is then admitted only
//! if both the store and the local counts allow it. With a single process, no more than the limit
//! is admitted.

use super::{
    budget_hash::{BudgetHash, BudgetHasher},
    probation::Probation,
};
use crate::{
    clock::{Clock, Ticks},
    decision::{Decision, Outcome, Receipt},
    key::Key,
    store::{
        Action, Charge, Scope,
        memory::{Bounds, MemoryStore},
    },
    window::after,
};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU64, Ordering};

/// The budgets of the charges of a check.
pub(super) type Budgets = SmallVec<[BudgetHash; 2]>;

#[derive(Debug)]
pub(super) struct LocalCounts {
    memory: MemoryStore,
    clock: Clock,
    /// The longest `reset_after` of any charge so far, in microseconds. After this time without
    /// charges, all counts are 0.
    longest_reset: AtomicU64,
    probation: Probation,
    hasher: BudgetHasher,
    /// The [epoch](crate::store::Store::epoch) of the store at the last check.
    epoch: AtomicU64,
}

impl LocalCounts {
    pub(super) fn new(clock: Clock, bounds: Bounds, epoch: u64) -> Self {
        Self {
            memory: MemoryStore::new(clock.clone(), bounds),
            clock,
            longest_reset: AtomicU64::new(0),
            probation: Probation::default(),
            hasher: BudgetHasher::new(),
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

    /// Decides instead of the store, and begins a probation of the budgets if anything is consumed.
    pub(super) fn check(&self, charges: &[Charge<'_>], action: Action) -> Decision {
        let decision = self.memory.check(charges, action);
        if !decision.receipts().is_empty() {
            self.note_reset(&decision);
            let now = self.clock.now();
            self.probation
                .begin(&self.budgets(charges), now, self.all_reset_at(now));
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

    /// The budgets of a check that has to fit in the local counts as well as in the store. `None`
    /// if the decision of the store is enough.
    ///
    /// A change of the store's `epoch` begins a probation of all budgets.
    pub(super) fn on_probation(&self, charges: &[Charge<'_>], epoch: u64) -> Option<Budgets> {
        let now = self.clock.now();
        let previous = self.epoch.load(Ordering::Relaxed);
        if previous != epoch {
            // Nothing can be lost before the first connection.
            if previous != 0 {
                self.probation.begin_for_all(self.all_reset_at(now));
            }
            self.epoch.store(epoch, Ordering::Relaxed);
        }
        if !self.probation.is_possible(now) {
            return None;
        }
        let budgets = self.budgets(charges);
        self.probation.concerns(&budgets, now).then_some(budgets)
    }

    /// Whether to ask the store what it knows of budgets that the local counts refuse.
    pub(super) fn should_ask(&self, budgets: &[BudgetHash]) -> bool {
        self.probation.should_ask(budgets, self.clock.now())
    }

    /// Ends the probation of the budgets of which the store knows at least what the local counts
    /// know: no limit has more units left there.
    pub(super) fn compare(
        &self,
        charges: &[Charge<'_>],
        budgets: &[BudgetHash],
        (store, local): (&Decision, &Decision),
    ) {
        let (mut store, mut local) = (store.outcomes(), local.outcomes());
        for (charge, &budget) in charges.iter().zip(budgets) {
            let limits = charge.limits.len();
            let (Some((of_store, more)), Some((of_local, rest))) = (
                store.split_at_checked(limits),
                local.split_at_checked(limits),
            ) else {
                return;
            };
            (store, local) = (more, rest);
            let mut pairs = of_store.iter().zip(of_local);
            if pairs.all(|(store, local)| store.remaining() <= local.remaining()) {
                self.probation.end(budget, self.clock.now());
            }
        }
    }

    fn budgets(&self, charges: &[Charge<'_>]) -> Budgets {
        let budgets = charges.iter().map(|charge| self.hasher.budget(charge));
        budgets.collect()
    }

    /// The time from which nothing counts that was counted until now.
    fn all_reset_at(&self, now: Ticks) -> Ticks {
        let longest = self.longest_reset.load(Ordering::Relaxed);
        after(now, longest)
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

    /// The decision of the local counts. `None` once committed.
    pub(super) fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
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
