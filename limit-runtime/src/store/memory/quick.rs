//! The commonest check, without detours: one limit under the moving window, for a log of which nothing has left yet.
//!
//! It answers and records exactly as the general way does (the tests compare both with one model), or
//! declines and leaves the check to that.

use super::{
    cell::{Cell, State},
    log,
    shard::Shard,
    slot::Slot,
    write::SECOND,
};
use crate::{
    clock::Ticks,
    decision::Outcome,
    store::Action,
    window::moving::{Coarse, Hit, Narrow, Shape, Stamp},
};
use limit_core::Limit;

/// What was answered, and whether it was recorded.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) recorded: bool,
}

impl Shard {
    /// Checks one limit against a cell that does not equal a fresh one; `None` if this takes more than a quick look.
    #[inline]
    pub(super) fn check_quickly(
        &mut self,
        place: usize,
        cell: &Cell,
        slot: &Slot<'_>,
        now: Ticks,
        action: Action,
    ) -> Option<Answer> {
        let &[limit] = slot.limits else {
            return None;
        };
        let question = Question {
            cell,
            limit,
            cost: slot.cost,
            now: now.as_micros(),
            action,
        };
        let (answer, state) = match cell.state()? {
            State::FinePair { mut hits, len } => {
                let mut shape = log::pair_shape(len);
                let answer = question.ask(&mut hits, &mut shape)?;
                let len = shape.len;
                (answer, State::FinePair { hits, len })
            }
            State::FineRing { slot, mut shape } => {
                let answer = question.ask(self.fine_rings.get_mut(slot), &mut shape)?;
                (answer, State::FineRing { slot, shape })
            }
            State::CoarsePair { mut hits, len } => {
                let mut shape = log::pair_shape(len);
                let answer = question.ask(&mut hits, &mut shape)?;
                let len = shape.len;
                (answer, State::CoarsePair { hits, len })
            }
            State::CoarseRing { slot, mut shape } => {
                let answer = question.ask(self.coarse_rings.get_mut(slot), &mut shape)?;
                (answer, State::CoarseRing { slot, shape })
            }
            _ => return None,
        };
        if answer.recorded {
            let fresh_at = question.now.div_ceil(1_000) + limit.window_millis();
            let cell = Cell::new(cell.owner, cell.variant(), state, fresh_at);
            self.table.set(place, cell);
        }
        Some(answer)
    }
}

struct Question<'a> {
    cell: &'a Cell,
    limit: Limit,
    cost: u32,
    /// Microseconds.
    now: u64,
    action: Action,
}

impl Question<'_> {
    /// Answers, and records what is to be recorded.
    #[inline]
    fn ask<const MICROS: u64>(
        &self,
        hits: &mut [Hit<Narrow<MICROS>>],
        shape: &mut Shape,
    ) -> Option<Answer> {
        let count = self.limit.count().get();
        let window = self.limit.window_millis() * 1_000;
        let last = shape.place(shape.len.checked_sub(1)?, hits.len());
        let (oldest, newest) = (*hits.get(shape.head as usize)?, *hits.get(last)?);
        // The log is of this window and no other, and all of it counts.
        let (newest_ticks, horizon) = log::newest_and_horizon(self.cell, newest);
        let leaves = (newest_ticks - oldest.at.until(newest.at)) * MICROS + window;
        let is_short = MICROS == Coarse::MICROS && window < SECOND * 1_000;
        if horizon * 1_000 != window || self.cost == 0 || leaves <= self.now || is_short {
            return None;
        }
        let used = newest.total.wrapping_sub(shape.base);
        let left = count.saturating_sub(used);
        let outcome = |remaining, newest_ticks: u64| {
            let reset_after = newest_ticks * MICROS + window - self.now;
            Outcome::allowed(self.limit, remaining, reset_after)
        };
        // Units that were given back leave a hit of nothing, which resets nothing.
        let before = match shape.len.checked_sub(2) {
            Some(before) => hits.get(shape.place(before, hits.len()))?.total,
            None => shape.base,
        };
        let is_void = before == newest.total;
        if self.cost > left {
            if is_void {
                return None;
            }
            // One unit short, and the oldest hit brings it: so it is for whoever comes too often.
            let brings = oldest.total.wrapping_sub(shape.base);
            let denies = self.action != Action::Force
                && self.cost - left <= brings
                && used + left == count
                && self.cost <= count;
            return denies.then(|| Answer {
                outcome: outcome(left, newest_ticks).refused(leaves - self.now),
                recorded: false,
            });
        }
        if self.action == Action::Peek {
            return (!is_void).then(|| Answer {
                outcome: outcome(left, newest_ticks),
                recorded: false,
            });
        }
        let stamp = self.now.div_ceil(MICROS);
        if stamp != newest_ticks {
            if shape.len as usize == hits.len() {
                return None;
            }
            shape.len += 1;
        }
        let end = shape.place(shape.len - 1, hits.len());
        *hits.get_mut(end)? = Hit {
            at: Narrow::end_of(Ticks::from_micros(self.now)),
            total: newest.total.wrapping_add(self.cost),
        };
        Some(Answer {
            outcome: outcome(left - self.cost, stamp),
            recorded: true,
        })
    }
}
