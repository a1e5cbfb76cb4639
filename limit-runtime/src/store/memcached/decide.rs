//! Decides what is asked of an item, and changes it: pure functions of the item and the time.

use super::{
    item::{CounterState, Item},
    log_state::{END_OF_TIME, LogState, Record},
    work::{Answer, ItemCharge, Work},
};
use crate::{
    clock::Ticks,
    decision::{Decision, Outcome, Receipt, Verdict},
    store::Action,
    window::{Strategy, after, counter::Counter},
};
use limit_core::Limit;
use smallvec::SmallVec;
use std::time::Duration;

/// How far the clock of another machine may be ahead, in microseconds. An item that is stamped
/// further ahead is from before a step of a clock.
pub(super) const MAX_SKEW: u64 = 1_000_000;

/// One limit of a charge, or all limits of a charge that share the log.
struct Part<'a> {
    strategy: Strategy,
    limits: &'a [Limit],
    cost: u64,
}

/// The time at which an item is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemTime {
    /// The time of the machine, or that of the item's last change if it is later.
    pub(super) now: Ticks,
    /// How far it is ahead of the machine's clock, in microseconds.
    ahead: u64,
    /// Whether the item was changed because it is too far ahead.
    pub(super) has_stepped_back: bool,
}

impl ItemTime {
    /// The time at which `item` is read when the clock of this machine shows `now`.
    ///
    /// If the item was changed later, by a machine with a faster clock, that time applies, so that
    /// nothing leaves its window too early. If it is later by more than clocks differ, a clock has
    /// stepped back: what is in the future becomes of now, and counts for one window from now on.
    pub(super) fn enter(item: &mut Item, now: Ticks) -> Self {
        let ahead = item.latest.as_micros().saturating_sub(now.as_micros());
        if ahead == 0 {
            return Self {
                now,
                ahead,
                has_stepped_back: false,
            };
        }
        let counts_nothing = item.counters.is_empty() && item.log.is_none();
        if counts_nothing || ahead <= MAX_SKEW.min(longest_window(item)) {
            return Self {
                now: item.latest,
                ahead,
                has_stepped_back: false,
            };
        }
        for counter in &mut item.counters {
            counter.end_future(item.latest, now);
        }
        if let Some(log) = &mut item.log {
            log.end_future(item.latest, now);
        }
        item.latest = now;
        Self {
            now,
            ahead: 0,
            has_stepped_back: true,
        }
    }
}

fn longest_window(item: &Item) -> u64 {
    let counters = item.counters.iter();
    let counters = counters.map(|counter| counter.window_millis.saturating_mul(1_000));
    let log = item.log.as_ref().map(LogState::longest_window);
    counters.chain(log).max().unwrap_or_default()
}

/// Does `work` at the time `time`. Returns the answer, and whether the item was changed.
pub(super) fn decide(item: &mut Item, time: ItemTime, work: &Work) -> (Answer, bool) {
    match work {
        Work::Check(charges, action) => {
            let (decision, is_changed) = check(item, time, charges, *action);
            (Answer::Decision(decision), is_changed)
        }
        Work::Refund(charges) => {
            let mut is_changed = false;
            for charge in charges {
                is_changed |= refund(item, time.now, charge);
            }
            let (decision, _) = check(item, time, charges, Action::Peek);
            (Answer::Decision(decision), is_changed)
        }
        Work::Reset => {
            let cleared = item.clear(time.now);
            (Answer::Cleared(cleared), cleared > 0)
        }
    }
}

/// Assesses all charges, then records all or none.
fn check(
    item: &mut Item,
    time: ItemTime,
    charges: &[ItemCharge],
    action: Action,
) -> (Decision, bool) {
    let now = time.now;
    let parts = parts(item, charges, action);
    let mut outcomes: SmallVec<[Outcome; 4]> = SmallVec::new();
    for (index, part) in parts.iter().enumerate() {
        // Several charges of one budget: later ones include the cost of earlier ones.
        let earlier = parts.iter().take(index);
        let cost = earlier
            .filter(|earlier| is_same_budget(earlier, part))
            // A cost of 0 is allowed if one unit is left after the other charges.
            .fold(part.cost.max(1), |cost, earlier| {
                cost.saturating_add(earlier.cost)
            });
        count(item, now, part, cost, Record::Never, |outcome| {
            outcomes.push(outcome);
        });
    }
    let is_allowed = outcomes.iter().all(Outcome::is_allowed);
    let consumes = match action {
        Action::Peek => false,
        Action::Consume => is_allowed,
        Action::Force => true,
    };
    let mut is_changed = false;
    if consumes {
        for part in parts.iter().filter(|part| part.cost > 0) {
            count(item, now, part, part.cost, Record::Always, |_| ());
            is_changed = true;
        }
        let mut left = outcomes.iter_mut();
        for part in &parts {
            count(item, now, part, 0, Record::Never, |after| {
                if let Some(outcome) = left.next() {
                    outcome.update(after.left());
                }
            });
        }
        for charge in charges {
            if let (Action::Force, Some(id)) = (action, charge.id)
                && !item.knows(id)
            {
                item.remember(id, ids_until(now, charge));
                is_changed = true;
            }
        }
    }
    let ahead = Duration::from_micros(time.ahead);
    let decision = Decision::new(outcomes.into_iter().map(|outcome| {
        if time.ahead == 0 {
            outcome
        } else {
            delayed(outcome, ahead)
        }
    }));
    if !consumes {
        return (decision, is_changed);
    }
    let receipts = charges
        .iter()
        .map(|charge| Receipt::of_cost(now.as_micros(), charge.cost));
    (decision.with_receipts(receipts), is_changed)
}

/// Refunds a charge, unless a refund with its id was made. Returns whether the item was changed.
fn refund(item: &mut Item, now: Ticks, charge: &ItemCharge) -> bool {
    if charge.cost == 0 || charge.id.is_some_and(|id| item.knows(id)) {
        return false;
    }
    let at = Ticks::from_micros(charge.at);
    let limits = charge.limits.as_slice();
    if charge.strategy == Strategy::MovingWindow {
        if let Some(log) = &mut item.log {
            log.refund(now, at, limits, charge.cost);
        }
    } else {
        for &limit in limits {
            if let Some(state) = find(item, charge.strategy, limit)
                && state.expires_at > now
            {
                state.counter.refund(now, at, limit, charge.cost);
                state.expires_at = state.counter.fresh_at(limit);
            }
        }
    }
    if let Some(id) = charge.id {
        item.remember(id, ids_until(now, charge));
    }
    true
}

/// The parts of a check. A forced charge that was counted before has no cost.
fn parts<'a>(item: &Item, charges: &'a [ItemCharge], action: Action) -> SmallVec<[Part<'a>; 4]> {
    let mut parts = SmallVec::new();
    for charge in charges {
        let was_counted = action == Action::Force && charge.id.is_some_and(|id| item.knows(id));
        let limits = charge.limits.as_slice();
        let together = match charge.strategy {
            Strategy::MovingWindow => limits.len(),
            _ => 1,
        };
        for limits in limits.chunks(together) {
            parts.push(Part {
                strategy: charge.strategy,
                limits,
                cost: if was_counted { 0 } else { charge.cost },
            });
        }
    }
    parts
}

/// Whether two parts, which are on one item, count in one log or counter.
fn is_same_budget(one: &Part<'_>, other: &Part<'_>) -> bool {
    if one.strategy.number() != other.strategy.number() {
        return false;
    }
    let window = |part: &Part<'_>| part.limits.first().map(|limit| limit.window_millis());
    one.strategy == Strategy::MovingWindow || window(one) == window(other)
}

/// Decides on `cost` units in the log or counter of a part, records them if wanted, and calls
/// `report` with the outcome of each limit.
fn count(
    item: &mut Item,
    now: Ticks,
    part: &Part<'_>,
    cost: u64,
    record: Record,
    mut report: impl FnMut(Outcome),
) {
    let Some(fresh) = Counter::fresh(part.strategy) else {
        let log = item.log.get_or_insert_with(|| LogState::empty(part.limits));
        log.check(now, part.limits, cost, record, |_, outcome| report(outcome));
        return;
    };
    let &[limit] = part.limits else {
        return;
    };
    let strategy = part.strategy;
    let known = find(item, strategy, limit).filter(|state| state.expires_at > now);
    let mut counter = known.map_or(fresh, |state| state.counter);
    report(counter.assess(now, limit, strategy, cost));
    if record == Record::Never {
        return;
    }
    counter.record(now, limit, cost);
    let expires_at = counter.fresh_at(limit);
    match find(item, strategy, limit) {
        Some(state) => (state.counter, state.expires_at) = (counter, expires_at),
        None => item.counters.push(CounterState {
            strategy: strategy.number(),
            window_millis: limit.window_millis(),
            counter,
            expires_at,
        }),
    }
}

/// The counter of a strategy and the window of a limit.
fn find(item: &mut Item, strategy: Strategy, limit: Limit) -> Option<&mut CounterState> {
    let mut counters = item.counters.iter_mut();
    counters.find(|state| {
        state.strategy == strategy.number() && state.window_millis == limit.window_millis()
    })
}

/// Until when the id of a charge is kept: for as long as the charge may be sent again.
fn ids_until(now: Ticks, charge: &ItemCharge) -> Ticks {
    let until = after(now, charge.id_millis.saturating_mul(1_000));
    until.min(Ticks::from_micros(END_OF_TIME))
}

/// An outcome for a machine that reaches the time of the item only after `ahead`.
fn delayed(outcome: Outcome, ahead: Duration) -> Outcome {
    let later = |wait: Duration| {
        if wait.is_zero() { wait } else { wait + ahead }
    };
    let verdict = match outcome.verdict() {
        Verdict::RetryAfter(wait) => Verdict::RetryAfter(later(wait)),
        verdict => verdict,
    };
    let reset_after = later(outcome.reset_after());
    Outcome::new(outcome.limit(), outcome.remaining(), reset_after, verdict)
        .with_capacity(outcome.capacity())
        .with_next_after(later(outcome.next_after()))
}
