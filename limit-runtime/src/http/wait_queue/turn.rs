//! When a request has its turn: the time until those ahead of it and then itself have had room.
//!
//! The store answers that for costs up to the capacity of a limit: a peek at the cost of all those
//! ahead plus its own. What goes beyond the capacity has to wait until those ahead, who consume in
//! the order of the queue, have left the window again.
//!
//! The turn is exact for the moving window, and for the fixed window and GCRA under one limit, if
//! nothing else consumes from the budget and all those ahead take their turn. For the sliding
//! window counter it is an estimate beyond the capacity. A waiter asks the store again in any case.

use super::AheadWaiter;
use crate::{
    decision::{Decision, Outcome, Verdict},
    limiter::Limiter,
    store::{Action, Charge, StoreError},
    window::{Strategy, window_micros},
};
use limit_core::Limit;
use smallvec::SmallVec;
use std::time::Duration;

/// When a rule has room for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has room, and nothing waits for it.
    Now,
    /// After this time; zero if it has room for the request and for all those ahead of it.
    After(Duration),
    /// The cost exceeds the capacity of a limit.
    Never,
}

/// How a request stands with its budgets, and with the queues of these.
#[derive(Debug)]
pub(super) struct Assessment {
    /// Refused by each rule whose turn is not `Now`.
    pub(super) decision: Decision,
    /// One for each charge.
    pub(super) turns: SmallVec<[Turn; 2]>,
}

impl Assessment {
    /// That of a request with nothing ahead of it.
    pub(super) fn from_store(decision: Decision, charges: &[Charge<'_>]) -> Self {
        let turns = turns_of(&decision, charges);
        Self { decision, turns }
    }
}

/// Assesses `charges` with the waiters that are `ahead` in the queue of each of their budgets.
///
/// # Errors
/// When the store could not answer.
pub(super) async fn assess(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    ahead: &[Vec<AheadWaiter>],
) -> Result<Assessment, StoreError> {
    let lines: SmallVec<[Option<Line>; 2]> = charges
        .iter()
        .zip(ahead)
        .map(|(charge, ahead)| (!ahead.is_empty()).then(|| Line::new(charge, ahead)))
        .collect();
    let asked: SmallVec<[Charge<'_>; 2]> = charges
        .iter()
        .zip(&lines)
        .map(|(charge, line)| match line {
            Some(line) => at_cost(charge, line.first_question()),
            None => *charge,
        })
        .collect();
    let peeked = limiter.decide(&asked, Action::Peek).await?;
    let mut rest = peeked.outcomes();
    let mut outcomes: SmallVec<[Outcome; 2]> = SmallVec::new();
    let mut turns = SmallVec::new();
    for (charge, line) in charges.iter().zip(&lines) {
        let (own, others) = rest.split_at(charge.limits.len().min(rest.len()));
        rest = others;
        match line {
            None => {
                turns.push(turn_of(own.iter()));
                outcomes.extend_from_slice(own);
            }
            Some(_) if !fits(charge) => {
                turns.push(Turn::Never);
                outcomes.extend(own.iter().map(|outcome| never_fits(charge, outcome)));
            }
            Some(line) => {
                let waits = line.waits(limiter, charge, own).await?;
                turns.push(Turn::After(longest(&waits)));
                outcomes.extend(refused_for(&waits, own));
            }
        }
    }
    Ok(Assessment {
        decision: Decision::new(outcomes),
        turns,
    })
}

/// The turn for each rule, from a decision of the store. Nothing is ahead.
pub(super) fn turns_of(decision: &Decision, charges: &[Charge<'_>]) -> SmallVec<[Turn; 2]> {
    let mut outcomes = decision.outcomes().iter();
    charges
        .iter()
        .map(|charge| turn_of(outcomes.by_ref().take(charge.limits.len())))
        .collect()
}

/// The turn for a rule with nothing ahead, from the outcomes of its limits.
fn turn_of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Turn {
    outcomes.fold(Turn::Now, |turn, outcome| match (turn, outcome.verdict()) {
        (Turn::Never, _) | (_, Verdict::NeverFits) => Turn::Never,
        (turn, Verdict::Allowed) => turn,
        (Turn::Now, Verdict::RetryAfter(wait)) => Turn::After(wait),
        (Turn::After(turn), Verdict::RetryAfter(wait)) => Turn::After(turn.max(wait)),
    })
}

fn fits(charge: &Charge<'_>) -> bool {
    let mut limits = charge.limits.iter();
    limits.all(|limit| wanted(charge) <= capacity(charge.strategy, *limit))
}

fn never_fits(charge: &Charge<'_>, outcome: &Outcome) -> Outcome {
    let outcome = outcome.into_allowed();
    if wanted(charge) > capacity(charge.strategy, outcome.limit()) {
        outcome.hopeless()
    } else {
        outcome
    }
}

/// The outcomes of limits which have room after these waits.
fn refused_for(waits: &[Duration], outcomes: &[Outcome]) -> SmallVec<[Outcome; 2]> {
    let longest = waits.iter().position(|&wait| wait == longest(waits));
    let outcomes = outcomes.iter().zip(waits).enumerate();
    outcomes
        .map(|(index, (outcome, wait))| {
            let outcome = outcome.into_allowed();
            // Where all limits have room, one refuses nevertheless: the room is for those ahead.
            if wait.is_zero() && Some(index) != longest {
                outcome
            } else {
                outcome.refused(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX))
            }
        })
        .collect()
}

fn longest(waits: &[Duration]) -> Duration {
    waits.iter().max().copied().unwrap_or_default()
}

/// The waiters ahead of a charge and then the charge itself, under the limits of the charge.
///
/// A waiter whose cost, with those of all ahead of it, is within the capacity of a limit has its
/// turn when the store says so. Any other has it one window after the waiter whose units have to
/// leave for it: nothing else can free so many. So the waiters that matter are found from the last
/// to the first, and their turns are computed from the first to the last. Under one limit, that
/// takes one question to the store; under several, one for each waiter that matters, until a limit
/// has room anyway.
struct Line {
    /// For each of them, its cost with those of all ahead of it.
    costs: Vec<u64>,
    /// For each of them, what its turn under each limit depends on. Empty if it does not matter.
    bounds: Vec<SmallVec<[Bound; 2]>>,
}

/// What the turn of a waiter under one limit depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// The store says when there is room for it and for those ahead.
    Store,
    /// One window after the turn of the waiter of this index.
    WindowAfter(usize),
    /// So many units have to drain after the bucket is empty.
    Drain(u64),
    /// One window: those ahead have other limits, and take all of this one.
    Window,
}

impl Line {
    fn new(charge: &Charge<'_>, ahead: &[AheadWaiter]) -> Self {
        let costs = ahead.iter().map(|&(_, cost)| cost).chain([wanted(charge)]);
        let costs: Vec<u64> = costs
            .scan(0_u64, |total, cost| {
                *total = total.saturating_add(cost);
                Some(*total)
            })
            .collect();
        let mut bounds = vec![SmallVec::new(); costs.len()];
        let mut matters = vec![false; costs.len()];
        for (index, &cost) in costs.iter().enumerate().rev() {
            if index + 1 < costs.len() && matters.get(index) != Some(&true) {
                continue;
            }
            let of_limits = charge.limits.iter().map(|limit| {
                let excess = cost.saturating_sub(capacity(charge.strategy, *limit));
                if excess == 0 {
                    return Bound::Store;
                }
                if let Strategy::Gcra { .. } = charge.strategy {
                    return Bound::Drain(excess);
                }
                let leaving = costs.partition_point(|&cost| cost < excess);
                // A waiter that costs more than the limit's capacity has other limits.
                match index.checked_sub(1).map(|before| leaving.min(before)) {
                    Some(leaving) => Bound::WindowAfter(leaving),
                    None => Bound::Window,
                }
            });
            let of_limits: SmallVec<[Bound; 2]> = of_limits.collect();
            for bound in &of_limits {
                if let Bound::WindowAfter(leaving) = bound
                    && let Some(matters) = matters.get_mut(*leaving)
                {
                    *matters = true;
                }
            }
            if let Some(bounds) = bounds.get_mut(index) {
                *bounds = of_limits;
            }
        }
        Self { costs, bounds }
    }

    /// The last waiter that the store has to be asked about.
    fn first_asked(&self) -> Option<usize> {
        let mut bounds = self.bounds.iter();
        bounds.rposition(|bounds| bounds.contains(&Bound::Store))
    }

    /// The cost to ask the store about first.
    fn first_question(&self) -> u64 {
        let index = self.first_asked().unwrap_or(0);
        self.costs.get(index).copied().unwrap_or_default()
    }

    /// Time until each limit has room for the last in the line; `answer` is that to the first
    /// question.
    async fn waits(
        &self,
        limiter: &Limiter,
        charge: &Charge<'_>,
        answer: &[Outcome],
    ) -> Result<SmallVec<[Duration; 2]>, StoreError> {
        let store_waits = self.store_waits(limiter, charge, answer).await?;
        let mut turns: Vec<Duration> = Vec::with_capacity(self.costs.len());
        let mut waits = SmallVec::new();
        for (bounds, store_waits) in self.bounds.iter().zip(&store_waits) {
            let of_limits = bounds.iter().zip(charge.limits).enumerate();
            waits = of_limits
                .map(|(place, (bound, limit))| match *bound {
                    Bound::Store => store_waits.get(place).copied().unwrap_or_default(),
                    Bound::WindowAfter(leaving) => {
                        let turn = turns.get(leaving).copied().unwrap_or_default();
                        turn.saturating_add(window(*limit))
                    }
                    Bound::Drain(excess) => {
                        let empty = answer.get(place).map(Outcome::reset_after);
                        let drain = drain_time(*limit, excess);
                        empty.unwrap_or_default().saturating_add(drain)
                    }
                    Bound::Window => window(*limit),
                })
                .collect();
            turns.push(longest(&waits));
        }
        Ok(waits)
    }

    /// What the store says of each waiter that it has to be asked about, for each limit.
    async fn store_waits(
        &self,
        limiter: &Limiter,
        charge: &Charge<'_>,
        answer: &[Outcome],
    ) -> Result<Vec<SmallVec<[Duration; 2]>>, StoreError> {
        let first_asked = self.first_asked();
        let mut waits = vec![SmallVec::new(); self.costs.len()];
        // A limit that has room for a cost also has room for smaller ones.
        let mut has_room: SmallVec<[bool; 2]> = SmallVec::from_elem(false, charge.limits.len());
        for (index, (&cost, bounds)) in self.costs.iter().zip(&self.bounds).enumerate().rev() {
            let mut unknown = bounds.iter().zip(&has_room);
            if !unknown.any(|(bound, &has_room)| *bound == Bound::Store && !has_room) {
                // Zero for each limit.
                continue;
            }
            let own_answer;
            let outcomes = if Some(index) == first_asked {
                answer
            } else {
                let charges = [at_cost(charge, cost)];
                own_answer = limiter.decide(&charges, Action::Peek).await?;
                own_answer.outcomes()
            };
            for (has_room, outcome) in has_room.iter_mut().zip(outcomes) {
                *has_room |= outcome.is_allowed();
            }
            if let Some(waits) = waits.get_mut(index) {
                *waits = outcomes.iter().map(wait_of).collect();
            }
        }
        Ok(waits)
    }
}

fn wait_of(outcome: &Outcome) -> Duration {
    match outcome.verdict() {
        Verdict::Allowed => Duration::ZERO,
        Verdict::RetryAfter(wait) => wait,
        // A store of the user's has its own idea of what fits.
        Verdict::NeverFits => window(outcome.limit()),
    }
}

/// The units that have to be there: a cost of zero waits for one, and leaves it to the next.
fn wanted(charge: &Charge<'_>) -> u64 {
    charge.cost.max(1)
}

fn at_cost<'a>(charge: &Charge<'a>, cost: u64) -> Charge<'a> {
    Charge { cost, ..*charge }
}

fn capacity(strategy: Strategy, limit: Limit) -> u64 {
    strategy.capacity(limit).get()
}

fn window(limit: Limit) -> Duration {
    Duration::from_millis(limit.window_millis())
}

/// How long the bucket of a limit takes to drain so many units.
///
/// Rounded down: the time until the bucket is empty, to which it is added, is rounded up.
fn drain_time(limit: Limit, units: u64) -> Duration {
    let micros = u128::from(window_micros(limit)).saturating_mul(units.into());
    let micros = micros / u128::from(limit.count().get());
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
