//! Denials that are still true: a client that keeps hammering is answered without asking the store.
//!
//! A denial says how long there will be no room if nobody consumes; whoever does, only makes it
//! longer. So it is repeated until then, or for [`AT_MOST`]: a refund or a clear on another
//! machine is not seen here any later than that. In this process they drop it.
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
    time::Duration,
};

const PLACES: usize = 4096;
const AT_MOST: Duration = Duration::from_secs(1);

pub(super) struct Denials {
    seed: SipHasher13,
    places: Box<[Mutex<Option<Box<Denial>>>]>,
}

struct Denial {
    /// Who was denied.
    budget: u128,
    /// The charges that were asked for together, with their limits and costs: a cheaper request might
    /// have fitted, and a dearer one has to wait longer.
    question: u128,
    /// When the answer came; waits are counted from here.
    told: Ticks,
    /// Until when it certainly holds.
    until: Ticks,
    outcomes: SmallVec<[Outcome; 4]>,
}

/// The charges of one check, hashed once.
pub(super) struct Question {
    budgets: SmallVec<[u128; 2]>,
    whole: u128,
}

impl Denials {
    pub(super) fn new() -> Self {
        let seed = RandomState::new();
        Self {
            seed: SipHasher13::new_with_keys(seed.hash_one(0), seed.hash_one(1)),
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) fn question(&self, charges: &[Charge<'_>]) -> Question {
        let budgets: SmallVec<[u128; 2]> =
            charges.iter().map(|charge| self.budget(charge)).collect();
        let mut hasher = self.seed;
        for (charge, budget) in charges.iter().zip(&budgets) {
            hasher.write_u128(*budget);
            charge.strategy.hash(&mut hasher);
            charge.limits.hash(&mut hasher);
            hasher.write_u32(charge.cost.max(1));
        }
        Question {
            budgets,
            whole: hasher.finish128().as_u128(),
        }
    }

    /// The denial of an earlier check of the same, if it still holds.
    pub(super) fn recall(&self, question: &Question, now: Ticks) -> Option<Decision> {
        question.budgets.iter().find_map(|&budget| {
            let place = self.place(budget).lock();
            let denial = place.as_deref()?;
            let holds = denial.budget == budget
                && denial.question == question.whole
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
        let mut outcomes = decision.outcomes().iter();
        for (charge, &budget) in charges.iter().zip(&question.budgets) {
            let own = outcomes.by_ref().take(charge.limits.len());
            let Some(wait) = own.filter_map(Outcome::retry_after).max() else {
                continue;
            };
            // The store decided after `sent`, so until then its own clock has not moved past the wait.
            let until = later(sent, wait.min(AT_MOST));
            *self.place(budget).lock() = Some(Box::new(Denial {
                budget,
                question: question.whole,
                told,
                until,
                outcomes: decision.outcomes().into(),
            }));
            return;
        }
    }

    /// Drops what is known of these budgets.
    pub(super) fn forget(&self, charges: &[Charge<'_>]) {
        for charge in charges {
            let budget = self.budget(charge);
            let mut place = self.place(budget).lock();
            if place
                .as_deref()
                .is_some_and(|denial| denial.budget == budget)
            {
                *place = None;
            }
        }
    }

    /// Drops everything.
    pub(super) fn reset(&self) {
        for place in &self.places {
            *place.lock() = None;
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

    fn place(&self, budget: u128) -> &Mutex<Option<Box<Denial>>> {
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
