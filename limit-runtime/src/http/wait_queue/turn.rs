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
    window::Strategy,
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
        let mut outcomes = decision.outcomes().iter();
        let turns = charges
            .iter()
            .map(|charge| turn_of(outcomes.by_ref().take(charge.limits.len())))
            .collect();
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
    // A queue without waiters is an empty one.
    let ahead = |index: usize| ahead.get(index).map_or(&[][..], Vec::as_slice);
    let with_ahead: SmallVec<[Charge<'_>; 2]> = charges
        .iter()
        .enumerate()
        .map(
            |(index, charge)| match cumulative_costs(ahead(index), charge).last() {
                Some(&total) if !ahead(index).is_empty() => at_cost(charge, total),
                _ => *charge,
            },
        )
        .collect();
    let peeked = limiter.decide(&with_ahead, Action::Peek).await?;
    let mut rest = peeked.outcomes();
    let mut outcomes: SmallVec<[Outcome; 2]> = SmallVec::new();
    let mut turns = SmallVec::new();
    for (index, charge) in charges.iter().enumerate() {
        let (own, others) = rest.split_at(charge.limits.len().min(rest.len()));
        rest = others;
        if ahead(index).is_empty() {
            turns.push(turn_of(own.iter()));
            outcomes.extend_from_slice(own);
        } else {
            let queued = queued_outcomes(limiter, charge, ahead(index), own).await?;
            turns.push(queued.turn);
            outcomes.extend(queued.outcomes);
        }
    }
    Ok(Assessment {
        decision: Decision::new(outcomes),
        turns,
    })
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

struct Queued {
    turn: Turn,
    outcomes: SmallVec<[Outcome; 2]>,
}

/// The outcomes of a charge behind `ahead`; `peeked` are those at the cost of all together.
async fn queued_outcomes(
    limiter: &Limiter,
    charge: &Charge<'_>,
    ahead: &[AheadWaiter],
    peeked: &[Outcome],
) -> Result<Queued, StoreError> {
    let own = u64::from(charge.cost).max(1);
    let exceeds = |limit: &Limit| own > capacity(charge.strategy, *limit);
    if charge.limits.iter().any(exceeds) {
        let outcomes = peeked.iter().map(|outcome| {
            let outcome = outcome.into_allowed();
            if exceeds(&outcome.limit()) {
                outcome.hopeless()
            } else {
                outcome
            }
        });
        return Ok(Queued {
            turn: Turn::Never,
            outcomes: outcomes.collect(),
        });
    }
    let waits = waits(limiter, charge, &cumulative_costs(ahead, charge), peeked).await?;
    let turn = waits.iter().max().copied().unwrap_or_default();
    let longest = waits.iter().position(|&wait| wait == turn);
    let outcomes = peeked.iter().enumerate().map(|(index, outcome)| {
        let wait = waits.get(index).copied().unwrap_or_default();
        let outcome = outcome.into_allowed();
        // With room for all, the limit refuses nevertheless: the room is for those ahead.
        if wait.is_zero() && Some(index) != longest {
            outcome
        } else {
            outcome.refused(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX))
        }
    });
    Ok(Queued {
        turn: Turn::After(turn),
        outcomes: outcomes.collect(),
    })
}

/// Time until each limit has room for the last of the waiters with these cumulative costs.
///
/// A waiter whose cumulative cost is within the capacity has its turn when the store says so. Any
/// other has it one window after the waiter whose units have to leave for it: nothing else can free
/// so many. So the waiters that matter are found from the last to the first, and their turns are
/// computed from the first to the last. Under one limit, that is one question to the store; under
/// several, one for each waiter that matters, until a limit has room anyway.
async fn waits(
    limiter: &Limiter,
    charge: &Charge<'_>,
    costs: &[u64],
    peeked: &[Outcome],
) -> Result<SmallVec<[Duration; 2]>, StoreError> {
    let limits = charge.limits.as_slice();
    let mut steps: Vec<SmallVec<[Step; 2]>> = vec![SmallVec::new(); costs.len()];
    let mut has_room: SmallVec<[bool; 2]> = SmallVec::from_elem(false, limits.len());
    let mut matters = vec![false; costs.len()];
    if let Some(last) = matters.last_mut() {
        *last = true;
    }
    for (index, &cost) in costs.iter().enumerate().rev() {
        if !matters.get(index).is_some_and(|&matters| matters) {
            continue;
        }
        let fits = |limit: &Limit| cost <= capacity(charge.strategy, *limit);
        let asks = limits
            .iter()
            .zip(&has_room)
            .any(|(limit, &has_room)| fits(limit) && !has_room);
        let answer = if asks && index + 1 < costs.len() {
            let charges = [at_cost(charge, cost)];
            Some(limiter.decide(&charges, Action::Peek).await?)
        } else {
            None
        };
        let outcomes = answer.as_ref().map_or(peeked, Decision::outcomes);
        for (place, &limit) in limits.iter().enumerate() {
            let outcome = outcomes.get(place);
            let step = if has_room.get(place).is_some_and(|&has_room| has_room) {
                Step::After(Duration::ZERO)
            } else if fits(&limit) {
                let wait = outcome.map_or(Duration::ZERO, |outcome| wait_of(outcome));
                if wait.is_zero()
                    && let Some(has_room) = has_room.get_mut(place)
                {
                    // It then has room for smaller costs, too.
                    *has_room = true;
                }
                Step::After(wait)
            } else if let Strategy::Gcra { burst } = charge.strategy {
                let empty_after = outcome.map_or(Duration::ZERO, Outcome::reset_after);
                let excess = cost.saturating_sub(burst.get().into());
                Step::After(empty_after.saturating_add(drain_time(limit, excess)))
            } else {
                let excess = cost.saturating_sub(capacity(charge.strategy, limit));
                let leaving = costs.partition_point(|&cost| cost < excess);
                // A waiter ahead that costs more than all of this limit has other limits.
                match leaving
                    .min(index)
                    .checked_sub(usize::from(leaving >= index))
                {
                    Some(leaving) => {
                        if let Some(matters) = matters.get_mut(leaving) {
                            *matters = true;
                        }
                        Step::WindowAfter(leaving)
                    }
                    None => Step::After(limit.window()),
                }
            };
            if let Some(steps) = steps.get_mut(index) {
                steps.push(step);
            }
        }
    }
    let mut turns: Vec<Duration> = Vec::with_capacity(costs.len());
    let mut waits = SmallVec::new();
    for steps in &steps {
        let resolved = steps.iter().zip(limits).map(|(step, limit)| match *step {
            Step::After(wait) => wait,
            Step::WindowAfter(leaving) => {
                let turn = turns.get(leaving).copied().unwrap_or_default();
                turn.saturating_add(limit.window())
            }
        });
        waits = resolved.collect();
        turns.push(waits.iter().max().copied().unwrap_or_default());
    }
    Ok(waits)
}

/// How the turn of a waiter under one limit follows.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// After this time.
    After(Duration),
    /// One window after the turn of the waiter of this index.
    WindowAfter(usize),
}

fn wait_of(outcome: &Outcome) -> Duration {
    match outcome.verdict() {
        Verdict::Allowed => Duration::ZERO,
        Verdict::RetryAfter(wait) => wait,
        // A store of the user's has its own idea of what fits.
        Verdict::NeverFits => outcome.limit().window(),
    }
}

/// For each waiter, its cost with those of all ahead of it; last, the same for the charge.
fn cumulative_costs(ahead: &[AheadWaiter], charge: &Charge<'_>) -> Vec<u64> {
    // A cost of zero waits for one unit, and leaves it to the next.
    let own = u64::from(charge.cost).max(1);
    let costs = ahead.iter().map(|&(_, cost)| cost).chain([own]);
    let mut total = 0_u64;
    let totals = costs.map(|cost| {
        total = total.saturating_add(cost);
        total
    });
    totals.collect()
}

fn at_cost<'a>(charge: &Charge<'a>, cost: u64) -> Charge<'a> {
    Charge {
        cost: u32::try_from(cost).unwrap_or(u32::MAX),
        ..*charge
    }
}

fn capacity(strategy: Strategy, limit: Limit) -> u64 {
    strategy.capacity(limit).get().into()
}

/// How long the bucket of a limit takes to drain so many units.
///
/// Rounded down: the time until the bucket is empty, to which it is added, is rounded up.
fn drain_time(limit: Limit, units: u64) -> Duration {
    let micros = limit.window().as_micros().saturating_mul(units.into());
    let micros = micros / u128::from(limit.count().get());
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
