//! Computes when a request can be admitted, with the waiters that arrived before it.
//!
//! A request needs room for its own cost and for the costs of all earlier waiters. As long as their
//! sum is within the capacity of a limit, the store knows the time: it is the `retry_after` of a
//! peek at the sum. Beyond the capacity, the request has to wait until some of the earlier waiters
//! have consumed their units and these have left the window again.
//!
//! The result is exact for the moving window, and under one limit also for the fixed window and
//! GCRA. This assumes that all earlier waiters consume as soon as they can, and that no other
//! request uses the budget. For the sliding window counter it is an estimate where the sum exceeds
//! the capacity. An error does no harm: a waiter checks again before it is admitted.

use super::queues::EarlierWaiter;
use crate::{
    decision::{Decision, Outcome, Verdict},
    limiter::Limiter,
    store::{Action, Charge, StoreError},
    window::{Strategy, window_micros},
};
use limit_core::Limit;
use smallvec::SmallVec;
use std::time::Duration;

/// When a rule can admit the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// It has room, and no earlier request waits for it.
    Now,
    /// After this time. Zero if it has room for the request and for all earlier waiters, which have
    /// not consumed their units yet.
    After(Duration),
    /// The cost exceeds the capacity of a limit.
    Never,
}

/// The decision on a request, and when each of its rules can admit it.
#[derive(Debug)]
pub(super) struct Assessment {
    /// A refusal by each rule that is not available now.
    pub(super) decision: Decision,
    /// One for each charge.
    pub(super) availabilities: SmallVec<[Availability; 2]>,
}

impl Assessment {
    /// For a request without earlier waiters.
    pub(super) fn from_store(decision: Decision, charges: &[Charge<'_>]) -> Self {
        let availabilities = availabilities(&decision, charges);
        Self {
            decision,
            availabilities,
        }
    }
}

/// Assesses `charges`, each with the `earlier` waiters in the queue of its budget.
///
/// # Errors
/// If the remote store does not answer.
pub(super) async fn assess(
    limiter: &Limiter,
    charges: &[Charge<'_>],
    earlier: &[Vec<EarlierWaiter>],
) -> Result<Assessment, StoreError> {
    let schedules: SmallVec<[Option<Schedule>; 2]> = charges
        .iter()
        .zip(earlier)
        .map(|(charge, earlier)| (!earlier.is_empty()).then(|| Schedule::new(charge, earlier)))
        .collect();
    let peeks: SmallVec<[Charge<'_>; 2]> = charges
        .iter()
        .zip(&schedules)
        .map(|(charge, schedule)| match schedule {
            Some(schedule) => at_cost(charge, schedule.first_peek_cost()),
            None => *charge,
        })
        .collect();
    let peeked = limiter.check_all(&peeks, Action::Peek).await?;
    let mut rest = peeked.outcomes();
    let mut outcomes: SmallVec<[Outcome; 2]> = SmallVec::new();
    let mut availabilities = SmallVec::new();
    for (charge, schedule) in charges.iter().zip(&schedules) {
        let (own, others) = rest.split_at(charge.limits.len().min(rest.len()));
        rest = others;
        match schedule {
            None => {
                availabilities.push(availability(own.iter()));
                outcomes.extend_from_slice(own);
            }
            Some(_) if !fits(charge) => {
                availabilities.push(Availability::Never);
                outcomes.extend(own.iter().map(|outcome| exceeds_capacity(charge, outcome)));
            }
            Some(schedule) => {
                let waits = schedule.waits(limiter, charge, own).await?;
                availabilities.push(Availability::After(longest(&waits)));
                outcomes.extend(refused_for(&waits, own));
            }
        }
    }
    Ok(Assessment {
        decision: Decision::new(outcomes),
        availabilities,
    })
}

/// When each rule can admit the request, from a decision of the store. No earlier request waits.
pub(super) fn availabilities(
    decision: &Decision,
    charges: &[Charge<'_>],
) -> SmallVec<[Availability; 2]> {
    let mut outcomes = decision.outcomes().iter();
    charges
        .iter()
        .map(|charge| availability(outcomes.by_ref().take(charge.limits.len())))
        .collect()
}

/// When a rule without earlier waiters can admit the request, from the outcomes of its limits.
fn availability<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Availability {
    use Availability::{After, Never, Now};
    outcomes.fold(Now, |all, outcome| match (all, outcome.verdict()) {
        (Never, _) | (_, Verdict::ExceedsCapacity) => Never,
        (all, Verdict::Allowed) => all,
        (Now, Verdict::RetryAfter(wait)) => After(wait),
        (After(longest), Verdict::RetryAfter(wait)) => After(longest.max(wait)),
    })
}

fn fits(charge: &Charge<'_>) -> bool {
    let mut limits = charge.limits.iter();
    limits.all(|limit| required_units(charge) <= capacity(charge.strategy, *limit))
}

/// The outcome of a limit for a charge that exceeds the capacity of this limit or another one.
fn exceeds_capacity(charge: &Charge<'_>, outcome: &Outcome) -> Outcome {
    let outcome = outcome.into_allowed();
    if required_units(charge) > capacity(charge.strategy, outcome.limit()) {
        outcome.into_exceeds_capacity()
    } else {
        outcome
    }
}

/// The outcomes of limits that have room after these waits.
fn refused_for(waits: &[Duration], outcomes: &[Outcome]) -> SmallVec<[Outcome; 2]> {
    let longest = waits.iter().position(|&wait| wait == longest(waits));
    let outcomes = outcomes.iter().zip(waits).enumerate();
    outcomes
        .map(|(index, (outcome, wait))| {
            let outcome = outcome.into_allowed();
            // One limit always refuses, even if all have room: earlier waiters come first.
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

/// The order in which requests consume from one budget: the earlier waiters, and last the charge
/// itself. All are measured by the limits of the charge.
///
/// For each entry, the sum of its cost and all costs before it decides when it can be admitted. If
/// the sum is within the capacity of a limit, the store knows the time. Otherwise some entries have
/// to consume and leave the window first: the admission is one window after that of the last of
/// them. Such an entry depends on an earlier one, which may depend on another.
///
/// `new` follows these dependencies from the last entry to the first, so that only the entries that
/// matter are computed. `waits` then computes times from the first entry to the last. Under one
/// limit, this takes one peek. Under several limits, it takes one peek for each entry that matters,
/// but none for sums below one for which all limits have room.
struct Schedule {
    /// For each entry, the sum of its cost and all costs before it.
    sums: Vec<u64>,
    /// For each entry, the constraint by each limit. Empty if no other entry depends on this one.
    constraints: Vec<SmallVec<[Constraint; 2]>>,
}

/// What determines when a limit can admit an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Constraint {
    /// The store has room for the sum after the time that a peek returns.
    Store,
    /// One window after the admission of the entry with this index.
    WindowAfter(usize),
    /// GCRA: the time until the bucket is empty, and then until this number of units has drained.
    Drain(u64),
    /// One window. The first entry has other limits, and its cost exceeds this one.
    Window,
}

impl Schedule {
    fn new(charge: &Charge<'_>, earlier: &[EarlierWaiter]) -> Self {
        let costs = earlier.iter().map(|&(_, cost)| cost);
        let sums: Vec<u64> = costs
            .chain([required_units(charge)])
            .scan(0_u64, |sum, cost| {
                *sum = sum.saturating_add(cost);
                Some(*sum)
            })
            .collect();
        let mut constraints = vec![SmallVec::new(); sums.len()];
        let mut matters = vec![false; sums.len()];
        for (index, &sum) in sums.iter().enumerate().rev() {
            let is_charge = index + 1 == sums.len();
            if !is_charge && matters.get(index) != Some(&true) {
                continue;
            }
            let by_limit = charge.limits.iter().map(|limit| {
                let excess = sum.saturating_sub(capacity(charge.strategy, *limit));
                if excess == 0 {
                    return Constraint::Store;
                }
                if let Strategy::Gcra { .. } = charge.strategy {
                    return Constraint::Drain(excess);
                }
                // When the units of this entry and all before it have left, there is room.
                let leaving = sums.partition_point(|&sum| sum < excess);
                // The excess includes units of the entry at `index` itself if that is a waiter
                // under other limits, with a cost above this capacity.
                match index.checked_sub(1).map(|before| leaving.min(before)) {
                    Some(leaving) => Constraint::WindowAfter(leaving),
                    None => Constraint::Window,
                }
            });
            let by_limit: SmallVec<[Constraint; 2]> = by_limit.collect();
            for constraint in &by_limit {
                if let Constraint::WindowAfter(leaving) = constraint
                    && let Some(matters) = matters.get_mut(*leaving)
                {
                    *matters = true;
                }
            }
            if let Some(constraints) = constraints.get_mut(index) {
                *constraints = by_limit;
            }
        }
        Self { sums, constraints }
    }

    /// The index of the last entry with a time that the store knows. Its peek is made first,
    /// together with those of other charges.
    fn first_peek(&self) -> Option<usize> {
        let mut constraints = self.constraints.iter();
        constraints.rposition(|by_limit| by_limit.contains(&Constraint::Store))
    }

    /// The cost of the first peek.
    fn first_peek_cost(&self) -> u64 {
        let index = self.first_peek().unwrap_or(0);
        self.sums.get(index).copied().unwrap_or_default()
    }

    /// The time until each limit can admit the charge. `peeked` has the outcomes of the first peek.
    async fn waits(
        &self,
        limiter: &Limiter,
        charge: &Charge<'_>,
        peeked: &[Outcome],
    ) -> Result<SmallVec<[Duration; 2]>, StoreError> {
        let store_waits = self.store_waits(limiter, charge, peeked).await?;
        let mut admitted_after: Vec<Duration> = Vec::with_capacity(self.sums.len());
        let mut waits = SmallVec::new();
        for (by_limit, store_waits) in self.constraints.iter().zip(&store_waits) {
            let by_limit = by_limit.iter().zip(charge.limits).enumerate();
            waits = by_limit
                .map(|(place, (constraint, limit))| match *constraint {
                    Constraint::Store => store_waits.get(place).copied().unwrap_or_default(),
                    Constraint::WindowAfter(leaving) => {
                        let admitted = admitted_after.get(leaving).copied().unwrap_or_default();
                        admitted.saturating_add(window(*limit))
                    }
                    Constraint::Drain(excess) => {
                        let empty = peeked.get(place).map(Outcome::reset_after);
                        let drain = drain_time(*limit, excess);
                        empty.unwrap_or_default().saturating_add(drain)
                    }
                    Constraint::Window => window(*limit),
                })
                .collect();
            admitted_after.push(longest(&waits));
        }
        Ok(waits)
    }

    /// The times that the store knows: for each entry, by limit.
    async fn store_waits(
        &self,
        limiter: &Limiter,
        charge: &Charge<'_>,
        peeked: &[Outcome],
    ) -> Result<Vec<SmallVec<[Duration; 2]>>, StoreError> {
        let first_peek = self.first_peek();
        let mut waits = vec![SmallVec::new(); self.sums.len()];
        // A limit with room for a sum also has room for smaller ones, without a wait.
        let mut has_room: SmallVec<[bool; 2]> = SmallVec::from_elem(false, charge.limits.len());
        for (index, (&sum, by_limit)) in self.sums.iter().zip(&self.constraints).enumerate().rev() {
            let mut unknown = by_limit.iter().zip(&has_room);
            if !unknown.any(|(by_limit, &has_room)| *by_limit == Constraint::Store && !has_room) {
                // The waits stay empty: zero by each limit.
                continue;
            }
            let own_peek;
            let outcomes = if Some(index) == first_peek {
                peeked
            } else {
                let charges = [at_cost(charge, sum)];
                own_peek = limiter.check_all(&charges, Action::Peek).await?;
                own_peek.outcomes()
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
        // A store of the application may have smaller capacities than this file assumes.
        Verdict::ExceedsCapacity => window(outcome.limit()),
    }
}

/// The units that have to be available. A cost of zero consumes nothing, but needs one unit.
fn required_units(charge: &Charge<'_>) -> u64 {
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

/// The time in which the bucket of a limit drains this number of units.
///
/// It is rounded down, because the time until the bucket is empty, to which it is added, is rounded
/// up already.
fn drain_time(limit: Limit, units: u64) -> Duration {
    let micros = u128::from(window_micros(limit)).saturating_mul(units.into());
    let micros = micros / u128::from(limit.count().get());
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
