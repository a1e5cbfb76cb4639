//! Denials that are still true: a client that keeps hammering is answered without asking the store.
//!
//! A denial says how long there will be no room if nothing else is consumed. So it is repeated until
//! then, or for [`AT_MOST`]: what another machine consumes, refunds or clears is not seen here any
//! later than that. What this process does with one of its budgets ends it at once.
//!
//! The table has a fixed number of places. Two budgets that fall on one place push each other out, which
//! costs a round trip and nothing else.

use crate::{
    clock::Ticks,
    decision::{Decision, Outcome},
    store::Charge,
};
use parking_lot::Mutex;
use siphasher::sip128::{Hasher128, SipHasher13};
use smallvec::SmallVec;
use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

const PLACES: usize = 4096;
const AT_MOST: Duration = Duration::from_secs(1);

pub(super) struct Denials {
    seed: SipHasher13,
    places: Box<[Place]>,
}

/// Budgets whose hashes fall on one number share a place.
#[derive(Default)]
struct Place {
    /// How often anything was done with these budgets that changes what a denial says.
    changes: AtomicU32,
    denial: Mutex<Option<Box<Denial>>>,
}

struct Denial {
    /// Who was denied.
    budget: u128,
    /// The charges that were asked for together, with their limits and costs: a cheaper request might
    /// have fitted, and a dearer one has to wait longer.
    question: u128,
    /// The charge on this budget by itself; `None` if there were several, which counted together.
    own: Option<u128>,
    /// Which of the outcomes are its own.
    range: Range<usize>,
    /// The changes of the budgets when the question was asked, and those of this budget.
    changes: SmallVec<[u32; 2]>,
    own_changes: u32,
    /// When the answer came; waits are counted from here.
    told: Ticks,
    /// Until when it certainly holds.
    until: Ticks,
    outcomes: SmallVec<[Outcome; 4]>,
}

/// The charges of one check, hashed once.
pub(super) struct Question {
    budgets: SmallVec<[u128; 2]>,
    /// How often each of them had been changed.
    changes: SmallVec<[u32; 2]>,
    whole: u128,
    /// Each charge by itself.
    single: SmallVec<[u128; 2]>,
}

impl Denials {
    pub(super) fn new() -> Self {
        let seed = RandomState::new();
        Self {
            seed: SipHasher13::new_with_keys(seed.hash_one(0), seed.hash_one(1)),
            places: (0..PLACES).map(|_| Place::default()).collect(),
        }
    }

    pub(super) fn question(&self, charges: &[Charge<'_>]) -> Question {
        let budgets: SmallVec<[u128; 2]> =
            charges.iter().map(|charge| self.budget(charge)).collect();
        // Before the store is asked: what happens from here on, it may have seen or not.
        let changes = budgets.iter().map(|&budget| self.changes(budget)).collect();
        let mut whole = self.seed;
        let mut single = SmallVec::new();
        for (charge, &budget) in charges.iter().zip(&budgets) {
            let charge = self.single(charge, budget);
            single.push(charge);
            whole.write_u128(charge);
        }
        Question {
            budgets,
            changes,
            whole: whole.finish128().as_u128(),
            single,
        }
    }

    /// One charge, with its limits and cost.
    fn single(&self, charge: &Charge<'_>, budget: u128) -> u128 {
        let mut hasher = self.seed;
        hasher.write_u128(budget);
        charge.strategy.hash(&mut hasher);
        charge.limits.hash(&mut hasher);
        hasher.write_u64(charge.cost.max(1));
        hasher.finish128().as_u128()
    }

    /// The denial of this charge in an earlier check, whatever was asked for with it, if it still holds.
    pub(super) fn known(&self, charge: &Charge<'_>, now: Ticks) -> Option<Decision> {
        let budget = self.budget(charge);
        let changes = self.changes(budget);
        let place = self.place(budget).denial.lock();
        let denial = place.as_deref()?;
        let holds = denial.holds(budget, now)
            && denial.own == Some(self.single(charge, budget))
            && denial.own_changes == changes;
        let own = denial.outcomes.get(denial.range.clone())?;
        holds.then(|| denial.after(own, now))
    }

    /// The denial of an earlier check of the same, if it still holds.
    pub(super) fn recall(&self, question: &Question, now: Ticks) -> Option<Decision> {
        question.budgets.iter().find_map(|&budget| {
            let place = self.place(budget).denial.lock();
            let denial = place.as_deref()?;
            let holds = denial.holds(budget, now)
                && denial.question == question.whole
                && denial.changes == question.changes;
            holds.then(|| denial.after(&denial.outcomes, now))
        })
    }

    /// Keeps the denial of a check that was sent at `sent` and answered at `told`.
    pub(super) fn keep(
        &self,
        question: &Question,
        charges: &[Charge<'_>],
        decision: &Decision,
        (sent, told): (Ticks, Ticks),
    ) {
        // Once the first of several refusing limits has room again, the denial says too much of that one.
        let Some(wait) = decision
            .outcomes()
            .iter()
            .filter_map(Outcome::retry_after)
            .min()
        else {
            return;
        };
        let mut end = 0;
        let budgets = question.budgets.iter().zip(&question.single);
        let budgets = budgets.zip(&question.changes);
        for (charge, ((&budget, &single), &own_changes)) in charges.iter().zip(budgets) {
            let range = end..end + charge.limits.len();
            end = range.end;
            let own = decision.outcomes().get(range.clone()).unwrap_or_default();
            if own.iter().all(|outcome| outcome.retry_after().is_none()) {
                continue;
            }
            let on_budget = question.budgets.iter().filter(|&&other| other == budget);
            let is_single = on_budget.count() == 1;
            // The store decided after `sent`, so until then its own clock has not moved past the wait.
            let until = later(sent, wait.min(AT_MOST));
            *self.place(budget).denial.lock() = Some(Box::new(Denial {
                budget,
                question: question.whole,
                own: is_single.then_some(single),
                range,
                changes: question.changes.clone(),
                own_changes,
                told,
                until,
                outcomes: decision.outcomes().into(),
            }));
        }
    }

    /// Ends all denials that say anything of these budgets, those whose answers are on their way included.
    pub(super) fn forget(&self, charges: &[Charge<'_>]) {
        for charge in charges {
            let place = self.place(self.budget(charge));
            place.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// Drops everything.
    pub(super) fn reset(&self) {
        for place in &self.places {
            place.changes.fetch_add(1, Ordering::Release);
            *place.denial.lock() = None;
        }
    }

    fn budget(&self, charge: &Charge<'_>) -> u128 {
        let mut hasher = self.seed;
        hasher.write_u8(charge.strategy.number());
        for part in [
            charge.scope.name.as_bytes(),
            charge.scope.rule.as_bytes(),
            charge.scope.route.as_bytes(),
            charge.key.as_bytes(),
        ] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    fn changes(&self, budget: u128) -> u32 {
        self.place(budget).changes.load(Ordering::Acquire)
    }

    fn place(&self, budget: u128) -> &Place {
        &self.places[budget as usize % PLACES]
    }
}

impl Denial {
    fn holds(&self, budget: u128, now: Ticks) -> bool {
        self.budget == budget && self.told <= now && now < self.until
    }

    /// What the store would say now of these.
    fn after(&self, outcomes: &[Outcome], now: Ticks) -> Decision {
        let age = now.since(self.told);
        Decision::new(outcomes.iter().map(|outcome| outcome.after(age)))
    }
}

impl fmt::Debug for Denials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denials").finish_non_exhaustive()
    }
}

fn later(from: Ticks, by: Duration) -> Ticks {
    let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
    Ticks::from_micros(from.as_micros().saturating_add(by))
}
