//! Cache of denials, which answers a client that retries too early without a call to the store.
//!
//! A denial with a `retry_after` stays true for that time unless something is refunded or reset. It
//! is repeated for that time, but at most for [`MAX_AGE`], because this process does not see what
//! other processes charge, refund or reset. A change made by this process invalidates the denial at
//! once.
//!
//! The table has a fixed number of slots. Two budgets in one slot evict each other, which costs an
//! additional call and nothing else.

use super::budget_hash::{BudgetHash, BudgetHasher};
use crate::{
    clock::Ticks,
    decision::{Decision, Outcome},
    store::Charge,
    window::after,
};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::{
    fmt,
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

const SLOTS: usize = 4096;
const MAX_AGE: Duration = Duration::from_secs(1);

pub(super) struct DenialCache {
    hasher: BudgetHasher,
    slots: Box<[DenialSlot]>,
}

/// Budgets with equal hashes modulo [`SLOTS`] share a slot.
#[derive(Default)]
struct DenialSlot {
    /// Incremented by each change that may invalidate a denial of these budgets.
    version: AtomicU32,
    denial: Mutex<Option<Box<CachedDenial>>>,
}

struct CachedDenial {
    /// The budget that denied the check.
    budget: BudgetHash,
    /// Fingerprint of all charges of the check with their limits and costs: a lower cost may fit,
    /// and a higher cost has to wait longer.
    check: u128,
    /// Fingerprint of the only charge on this budget. `None` if the check had several, because
    /// their costs add up.
    charge: Option<u128>,
    /// The outcomes of that charge, as a range of `outcomes`.
    range: Range<usize>,
    /// The versions of all budgets of the check before it was sent.
    versions: SmallVec<[u32; 2]>,
    /// The version of `budget` before the check was sent.
    version: u32,
    /// When the store answered. The waits in `outcomes` count from here.
    answered_at: Ticks,
    /// The denial is not repeated from this time on.
    expires_at: Ticks,
    outcomes: SmallVec<[Outcome; 4]>,
}

/// Hashes of the charges of one check, and the versions of their budgets before it is sent.
pub(super) struct CheckFingerprint {
    budgets: SmallVec<[BudgetHash; 2]>,
    versions: SmallVec<[u32; 2]>,
    /// The hash of all charges.
    check: u128,
    /// The hash of each charge.
    charges: SmallVec<[u128; 2]>,
}

impl DenialCache {
    pub(super) fn new() -> Self {
        Self {
            hasher: BudgetHasher::new(),
            slots: (0..SLOTS).map(|_| DenialSlot::default()).collect(),
        }
    }

    pub(super) fn fingerprint(&self, charges: &[Charge<'_>]) -> CheckFingerprint {
        let budgets: SmallVec<[BudgetHash; 2]> = charges
            .iter()
            .map(|charge| self.hasher.budget(charge))
            .collect();
        // Read before the store is called: its answer may or may not include later changes.
        let versions = budgets.iter().map(|&budget| self.version(budget)).collect();
        let charges: SmallVec<[u128; 2]> = charges
            .iter()
            .zip(&budgets)
            .map(|(charge, &budget)| self.hasher.charge(charge, budget))
            .collect();
        CheckFingerprint {
            budgets,
            versions,
            check: self.hasher.all(&charges),
            charges,
        }
    }

    /// The denial of this charge by an earlier check, if it still holds. The other charges of that
    /// check do not matter.
    pub(super) fn get_single(&self, charge: &Charge<'_>, now: Ticks) -> Option<Decision> {
        let budget = self.hasher.budget(charge);
        let version = self.version(budget);
        let slot = self.slot(budget).denial.lock();
        let denial = slot.as_deref()?;
        let holds = denial.is_valid(budget, now)
            && denial.charge == Some(self.hasher.charge(charge, budget))
            && denial.version == version;
        let outcomes = denial.outcomes.get(denial.range.clone())?;
        holds.then(|| denial.decision_at(outcomes, now))
    }

    /// The denial of an earlier check with equal charges, if it still holds.
    pub(super) fn get(&self, fingerprint: &CheckFingerprint, now: Ticks) -> Option<Decision> {
        fingerprint.budgets.iter().find_map(|&budget| {
            let slot = self.slot(budget).denial.lock();
            let denial = slot.as_deref()?;
            let holds = denial.is_valid(budget, now)
                && denial.check == fingerprint.check
                && denial.versions == fingerprint.versions;
            holds.then(|| denial.decision_at(&denial.outcomes, now))
        })
    }

    /// Stores a denial under each budget that denied the check.
    pub(super) fn insert(
        &self,
        fingerprint: &CheckFingerprint,
        charges: &[Charge<'_>],
        decision: &Decision,
        (sent_at, answered_at): (Ticks, Ticks),
    ) {
        // The shortest wait: after it, the outcome of that limit is no longer a denial.
        let Some(wait) = decision
            .outcomes()
            .iter()
            .filter_map(Outcome::retry_after)
            .min()
        else {
            return;
        };
        let mut end = 0;
        let budgets = fingerprint.budgets.iter().zip(&fingerprint.charges);
        let budgets = budgets.zip(&fingerprint.versions);
        for (charge, ((&budget, &hash), &version)) in charges.iter().zip(budgets) {
            let range = end..end + charge.limits.len();
            end = range.end;
            let own = decision.outcomes().get(range.clone()).unwrap_or_default();
            if own.iter().all(|outcome| outcome.retry_after().is_none()) {
                continue;
            }
            let on_budget = fingerprint.budgets.iter().filter(|&&other| other == budget);
            let is_only_charge = on_budget.count() == 1;
            // The store decided after `sent_at`, so `wait` is not over there before `expires_at`.
            let lifetime = wait.min(MAX_AGE).as_micros();
            let lifetime = u64::try_from(lifetime).unwrap_or(u64::MAX);
            let expires_at = after(sent_at, lifetime);
            *self.slot(budget).denial.lock() = Some(Box::new(CachedDenial {
                budget,
                check: fingerprint.check,
                charge: is_only_charge.then_some(hash),
                range,
                versions: fingerprint.versions.clone(),
                version,
                answered_at,
                expires_at,
                outcomes: decision.outcomes().into(),
            }));
        }
    }

    /// Invalidates all denials that involve these budgets, including those of checks that are under
    /// way.
    pub(super) fn invalidate(&self, charges: &[Charge<'_>]) {
        for charge in charges {
            let slot = self.slot(self.hasher.budget(charge));
            slot.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Removes all denials, including those of checks that are under way.
    pub(super) fn clear(&self) {
        for slot in &self.slots {
            slot.version.fetch_add(1, Ordering::Release);
            *slot.denial.lock() = None;
        }
    }

    fn version(&self, budget: BudgetHash) -> u32 {
        self.slot(budget).version.load(Ordering::Acquire)
    }

    fn slot(&self, budget: BudgetHash) -> &DenialSlot {
        &self.slots[budget as usize % SLOTS]
    }
}

impl CachedDenial {
    fn is_valid(&self, budget: BudgetHash, now: Ticks) -> bool {
        self.budget == budget && self.answered_at <= now && now < self.expires_at
    }

    /// What the store would answer at `now`.
    fn decision_at(&self, outcomes: &[Outcome], now: Ticks) -> Decision {
        let age = now.since(self.answered_at);
        Decision::new(outcomes.iter().map(|outcome| outcome.after(age)))
    }
}

impl fmt::Debug for DenialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenialCache").finish_non_exhaustive()
    }
}
