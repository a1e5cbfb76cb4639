//! Budgets that the store may not have counted completely.
//!
//! After a restart of the store, these are all budgets that this process has counted. The doubt
//! ends when everything counted until then has left the windows, or as soon as an answer shows that
//! the store knows at least as much: its hits are later than the restart, so they outlast ours.
//!
//! After an outage that the store survived, these are the budgets that were charged meanwhile.
//! Their doubt ends with their windows only: what the store knows may be older than that.

use super::budget_hash::BudgetHash;
use crate::clock::Ticks;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How many budgets are remembered of each kind.
const MAX_BUDGETS: usize = 65_536;
/// How often the store is asked about a budget that the local counts refuse.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Probation {
    /// The end of every doubt, in microseconds. Every check reads it, without the lock.
    ends_at: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Until then, all budgets are in doubt, except those that are known.
    all_until: Ticks,
    /// Budgets of which an answer of the store has shown that it knows them.
    known: HashSet<BudgetHash>,
    /// Budgets that were charged while the store did not answer, and until when they are in doubt.
    charged: HashMap<BudgetHash, Ticks>,
    /// When the store was last asked about a budget.
    asked: HashMap<BudgetHash, Ticks>,
}

impl Probation {
    /// Begins a doubt about all budgets.
    pub(super) fn begin_for_all(&self, until: Ticks) {
        let mut state = self.state.lock();
        state.all_until = state.all_until.max(until);
        state.known.clear();
        self.ends_at.fetch_max(until.as_micros(), Ordering::Relaxed);
    }

    /// Begins a doubt about some budgets.
    pub(super) fn begin(&self, budgets: &[BudgetHash], now: Ticks, until: Ticks) {
        let mut state = self.state.lock();
        for &budget in budgets {
            state.known.remove(&budget);
            if state.charged.len() >= MAX_BUDGETS && !state.charged.contains_key(&budget) {
                state.charged.retain(|_, ends_at| now < *ends_at);
            }
            if state.charged.len() < MAX_BUDGETS || state.charged.contains_key(&budget) {
                let ends_at = state.charged.entry(budget).or_default();
                *ends_at = until.max(*ends_at);
            } else {
                // There are too many to remember: all are in doubt.
                state.all_until = state.all_until.max(until);
                state.known.clear();
            }
        }
        self.ends_at.fetch_max(until.as_micros(), Ordering::Relaxed);
    }

    /// Whether there is a doubt about any budget.
    #[inline]
    pub(super) fn is_possible(&self, now: Ticks) -> bool {
        now.as_micros() < self.ends_at.load(Ordering::Relaxed)
    }

    /// Whether there is a doubt about one of these budgets.
    pub(super) fn concerns(&self, budgets: &[BudgetHash], now: Ticks) -> bool {
        let state = self.state.lock();
        let in_doubt = |budget: &BudgetHash| {
            let was_charged = state.charged.get(budget).is_some_and(|&ends| now < ends);
            was_charged || now < state.all_until && !state.known.contains(budget)
        };
        budgets.iter().any(in_doubt)
    }

    /// Ends the doubt about a budget after a restart: the store knows at least what this process
    /// knows.
    pub(super) fn end(&self, budget: BudgetHash, now: Ticks) {
        let mut state = self.state.lock();
        state.asked.remove(&budget);
        if now < state.all_until && state.known.len() < MAX_BUDGETS {
            state.known.insert(budget);
        }
    }

    /// Whether the store has to be asked about these budgets: they are in doubt since a restart,
    /// and it was not asked within the last second. Returns `true` to one caller only.
    pub(super) fn should_ask(&self, budgets: &[BudgetHash], now: Ticks) -> bool {
        let mut state = self.state.lock();
        if now >= state.all_until {
            return false;
        }
        let was_asked = |budget: &BudgetHash| {
            let asked = state.asked.get(budget);
            asked.is_some_and(|&at| now.since(at) < ASK_INTERVAL)
        };
        if budgets.iter().all(was_asked) {
            return false;
        }
        if state.asked.len() + budgets.len() > MAX_BUDGETS {
            state.asked.retain(|_, at| now.since(*at) < ASK_INTERVAL);
        }
        if state.asked.len() + budgets.len() > MAX_BUDGETS {
            return false;
        }
        state
            .asked
            .extend(budgets.iter().map(|&budget| (budget, now)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Ticks {
        Ticks::from_micros((1 + seconds) * 1_000_000)
    }

    #[test]
    fn a_doubt_about_all_ends_for_each_budget_that_the_store_knows() {
        let probation = Probation::default();
        assert!(!probation.is_possible(at(0)));
        probation.begin_for_all(at(60));
        assert!(probation.is_possible(at(59)) && !probation.is_possible(at(60)));
        assert!(probation.concerns(&[1], at(0)));
        probation.end(1, at(0));
        assert!(!probation.concerns(&[1], at(0)));
        assert!(probation.concerns(&[1, 2], at(0)));
        assert!(!probation.concerns(&[2], at(60)));
        probation.begin_for_all(at(90));
        assert!(probation.concerns(&[1], at(61)), "it restarted again");
    }

    #[test]
    fn a_doubt_about_one_budget_concerns_no_other() {
        let probation = Probation::default();
        probation.begin(&[1], at(0), at(60));
        assert!(probation.concerns(&[1], at(0)) && !probation.concerns(&[2], at(0)));
        assert!(!probation.concerns(&[1], at(60)));
        // The hits that the store knows may be older than those of the outage.
        probation.begin(&[1], at(60), at(90));
        probation.end(1, at(61));
        assert!(probation.concerns(&[1], at(61)));
        assert!(!probation.concerns(&[1], at(90)));
    }

    #[test]
    fn too_many_budgets_put_all_in_doubt() {
        let probation = Probation::default();
        for budget in 0..MAX_BUDGETS as u128 {
            probation.begin(&[budget], at(0), at(60));
        }
        assert!(!probation.concerns(&[u128::MAX], at(0)));
        probation.begin(&[u128::MAX - 1], at(0), at(60));
        assert!(probation.concerns(&[u128::MAX], at(0)));
    }

    #[test]
    fn the_store_is_asked_once_a_second() {
        let probation = Probation::default();
        assert!(!probation.should_ask(&[1], at(0)), "there is no doubt");
        probation.begin_for_all(at(60));
        assert!(probation.should_ask(&[1], at(0)));
        assert!(!probation.should_ask(&[1], at(0)));
        assert!(probation.should_ask(&[1, 2], at(0)));
        assert!(probation.should_ask(&[1], at(1)));
    }
}
