//! The commonest check, without detours: one limit under the moving window, for a log that is new, or was never
//! asked for another window.
//!
//! It answers and records exactly as the general way does (the tests compare both with one model), or
//! declines and leaves the check to that.

use super::{
    cell::{Cell, State},
    kept::{Kept, Rings, shape_of},
    log,
    shard::Shard,
    slot::Slot,
    write::{Tier, Write},
};
use crate::{
    clock::Ticks,
    decision::Outcome,
    store::Action,
    window::{
        Strategy,
        moving::{Coarse, Entry, Narrow, Shape, Stamp, grid},
    },
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
        entries: u32,
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
            entries,
        };
        let (answer, state) = match cell.state()? {
            State::Fine(kept) => {
                let (answer, kept) = question.of_kept(&mut self.fine, kept)?;
                (answer, State::Fine(kept))
            }
            State::Coarse(kept) => {
                let (answer, kept) = question.of_kept(&mut self.coarse, kept)?;
                (answer, State::Coarse(kept))
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

/// The answer to the first hit of a budget, and its cell; `None` if this takes more than a quick look.
#[inline]
pub(super) fn first(slot: &Slot<'_>, now: Ticks, entries: u32) -> Option<(Outcome, Cell)> {
    let &[limit] = slot.limits else {
        return None;
    };
    let left = limit.count().get().checked_sub(slot.cost)?;
    if slot.cost == 0 || slot.strategy != Strategy::MovingWindow {
        return None;
    }
    let window = limit.window_millis();
    let write = Write {
        slot,
        now,
        horizon: window,
        entries,
    };
    let now = now.as_micros();
    let tier = Tier::of(window, window);
    let stamp = match tier {
        Tier::Coarse => now.next_multiple_of(Coarse::MICROS),
        Tier::Fine | Tier::Wide => now,
    };
    let outcome = Outcome::allowed(limit, left, stamp + window * 1_000 - now);
    let fresh_at = now.div_ceil(1_000) + window;
    let cell = Cell::new(slot.owner.low, slot.variant, write.first(tier), fresh_at);
    Some((outcome, cell))
}

struct Question<'a> {
    cell: &'a Cell,
    limit: Limit,
    cost: u32,
    /// Microseconds.
    now: u64,
    action: Action,
    entries: u32,
}

impl Question<'_> {
    /// The answer, and what the log became.
    #[inline]
    fn of_kept<const MICROS: u64>(
        &self,
        rings: &mut Rings<MICROS>,
        kept: Kept<MICROS>,
    ) -> Option<(Answer, Kept<MICROS>)> {
        Some(match kept {
            Kept::Units { mut hits, len } => {
                let mut shape = shape_of(len);
                let [mut oldest, ..] = hits;
                let answer = self.ask(&mut hits, &mut shape, &mut oldest)?;
                if shape.head > 0 {
                    hits.rotate_left(shape.head as usize);
                }
                let len = shape.len;
                (answer, Kept::Units { hits, len })
            }
            Kept::UnitRing {
                slot,
                mut shape,
                mut oldest,
            } => {
                let hits = rings.units.get_mut(slot);
                let answer = self.ask(hits, &mut shape, &mut oldest)?;
                let kept = Kept::UnitRing {
                    slot,
                    shape,
                    oldest,
                };
                (answer, kept)
            }
            Kept::Pair { mut hits, len } => {
                let mut shape = shape_of(len);
                let [mut oldest, _] = hits;
                let answer = self.ask(&mut hits, &mut shape, &mut oldest)?;
                if shape.head > 0 {
                    hits.swap(0, 1);
                }
                for hit in &mut hits {
                    hit.total = hit.total.wrapping_sub(shape.base);
                }
                let len = shape.len;
                (answer, Kept::Pair { hits, len })
            }
            Kept::Ring { slot, mut shape } => {
                let hits = rings.hits.get_mut(slot);
                let mut oldest = *hits.get(shape.head as usize)?;
                let answer = self.ask(hits, &mut shape, &mut oldest)?;
                (answer, Kept::Ring { slot, shape })
            }
        })
    }

    /// Answers, and records what is to be recorded. The shape and the oldest hit hold only if it was.
    #[inline]
    fn ask<const MICROS: u64, E: Entry<Stamp = Narrow<MICROS>>>(
        &self,
        hits: &mut [E],
        shape: &mut Shape,
        oldest: &mut E,
    ) -> Option<Answer> {
        let window = self.limit.window_millis() * 1_000;
        let newest = *hits.get(shape.place(shape.len.checked_sub(1)?, hits.len()))?;
        let (newest_ticks, horizon) = log::newest_and_horizon(self.cell, newest.at());
        let is_heavy = E::UNIT && self.cost != 1;
        if horizon * 1_000 != window || self.cost == 0 || is_heavy {
            return None;
        }
        let leaves = |hit: E| (newest_ticks - hit.at().until(newest.at())) * MICROS + window;
        while leaves(*oldest) <= self.now {
            shape.base = oldest.base();
            shape.head = u32::try_from(shape.place(1, hits.len())).ok()?;
            shape.len = shape.len.checked_sub(2)? + 1;
            *oldest = *hits.get(shape.head as usize)?;
        }
        let all = newest.total(shape.len - 1);
        let used = all.wrapping_sub(shape.base);
        let count = self.limit.count().get();
        let left = count.saturating_sub(used);
        let outcome = |remaining, newest_ticks: u64| {
            let reset_after = newest_ticks * MICROS + window - self.now;
            Outcome::allowed(self.limit, remaining, reset_after)
        };
        // Units that were given back leave a hit of nothing, which resets nothing.
        let is_void = !E::UNIT
            && all
                == match shape.len.checked_sub(2) {
                    Some(before) => hits.get(shape.place(before, hits.len()))?.total(before),
                    None => shape.base,
                };
        if self.cost > left {
            if is_void || self.action == Action::Force || self.cost > count {
                return None;
            }
            // The first hits that bring enough; nearly always, that is the oldest.
            let short = u64::from(self.cost) + u64::from(used) - u64::from(count);
            let short = u32::try_from(short).ok()?;
            let last = if E::UNIT {
                *hits.get(shape.place(short - 1, hits.len()))?
            } else if short <= oldest.total(0).wrapping_sub(shape.base) {
                *oldest
            } else {
                return None;
            };
            return Some(Answer {
                outcome: outcome(left, newest_ticks).refused(leaves(last) - self.now),
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
            if E::UNIT && shape.len > self.entries {
                return None;
            }
            if shape.len as usize == hits.len() {
                self.merge(hits, shape, newest_ticks)?;
            } else {
                shape.len += 1;
            }
        } else if E::UNIT {
            return None;
        }
        let end = shape.place(shape.len - 1, hits.len());
        let at = Narrow::end_of(Ticks::from_micros(self.now));
        *hits.get_mut(end)? = E::new(at, all.wrapping_add(self.cost));
        Some(Answer {
            outcome: outcome(left - self.cost, stamp),
            recorded: true,
        })
    }

    /// Makes the last place of a full log free, if the hit there lies in one cell of the grid with the one before it.
    fn merge<const MICROS: u64, E: Entry<Stamp = Narrow<MICROS>>>(
        &self,
        hits: &mut [E],
        shape: &Shape,
        newest_ticks: u64,
    ) -> Option<()> {
        let entries = u64::from(self.entries);
        let is_largest = hits.len() as u64 >= entries + 2;
        let before = shape.place(shape.len.checked_sub(2)?, hits.len());
        let newest = *hits.get(shape.place(shape.len - 1, hits.len()))?;
        let before = hits.get_mut(before)?;
        let before_ticks = newest_ticks - before.at().until(newest.at());
        let cell = grid(self.limit.window_millis() * 1_000 / MICROS, self.entries);
        let is_one = before_ticks / cell == newest_ticks / cell;
        (is_largest && is_one && !E::UNIT).then(|| *before = newest)
    }
}
