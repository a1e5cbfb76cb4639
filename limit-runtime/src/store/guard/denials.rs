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
    /// The changes of the budgets when the question was asked.
    changes: SmallVec<[u32; 2]>,
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
        let changes = budgets
            .iter()
            .map(|&budget| self.place(budget).changes.load(Ordering::Acquire))
            .collect();
        let mut hasher = self.seed;
        for (charge, budget) in charges.iter().zip(&budgets) {
            hasher.write_u128(*budget);
            charge.strategy.hash(&mut hasher);
            charge.limits.hash(&mut hasher);
            hasher.write_u32(charge.cost.max(1));
        }
        Question {
            budgets,
            changes,
            whole: hasher.finish128().as_u128(),
        }
    }

    /// The denial of an earlier check of the same, if it still holds.
    pub(super) fn recall(&self, question: &Question, now: Ticks) -> Option<Decision> {
        question.budgets.iter().find_map(|&budget| {
            let place = self.place(budget).denial.lock();
            let denial = place.as_deref()?;
            let holds = denial.budget == budget
                && denial.question == question.whole
                && denial.changes == question.changes
                && denial.told <= now
                && now < denial.until;
            holds.then(|| denial.aged(now))
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
        let mut outcomes = decision.outcomes().iter();
        for (charge, &budget) in charges.iter().zip(&question.budgets) {
            let mut own = outcomes.by_ref().take(charge.limits.len());
            if own.all(|outcome| outcome.retry_after().is_none()) {
                continue;
            }
            // The store decided after `sent`, so until then its own clock has not moved past the wait.
            let until = later(sent, wait.min(AT_MOST));
            *self.place(budget).denial.lock() = Some(Box::new(Denial {
                budget,
                question: question.whole,
                changes: question.changes.clone(),
                told,
                until,
                outcomes: decision.outcomes().into(),
            }));
            return;
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
            charge.scope.route.as_bytes(),
            charge.key.as_bytes(),
        ] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    fn place(&self, budget: u128) -> &Place {
        &self.places[budget as usize % PLACES]
    }
}

impl Denial {
    /// What the store would say now.
    fn aged(&self, now: Ticks) -> Decision {
        let age = now.since(self.told);
        Decision::new(self.outcomes.iter().map(|outcome| outcome.aged(age)))
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
