//! The commonest check, without detours: one limit under the moving window, in a log that was never asked for
//! another one.
//!
//! It answers and records exactly as the general way does (the tests compare both with one model), or
//! declines and leaves the check to that.

use super::{
    cell::{Cell, State},
    identity::{Owner, Variant},
    kept::{Few, Kept, RING, Rings, UNIT_RING, UNITS, pack, pack_ring, shape_of, unpack},
    shard::Shard,
    slot::Slot,
    write::{Tier, Write},
};
use crate::{
    clock::Ticks,
    decision::Outcome,
    window::{
        Strategy,
        moving::{Coarse, Entry, Hit, Narrow, Shape, Stamp, grid},
    },
};
use limit_core::Limit;

/// What is to be consumed.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub(super) owner: Owner,
    pub(super) limit: Limit,
    /// One at least.
    pub(super) cost: u32,
    pub(super) now: Ticks,
    pub(super) entries: u32,
}

pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// Whether it was recorded; else it was refused.
    pub(super) recorded: bool,
    /// Whether nothing of the answer but the time changes until the wait is over.
    pub(super) lasts: bool,
}

/// The form and the two words of a cell.
type Words = (u64, u64, u64);

impl Shard {
    /// Consumes from the log in this place, which does not equal a fresh one; `None` if this takes more than a quick look.
    #[inline]
    pub(super) fn consume_quickly(&mut self, place: usize, question: &Question) -> Option<Answer> {
        let cell = *self.table.get(place)?;
        let (answer, words) = match cell.form()? {
            (Tier::Fine, form) => question.of_log(&cell, form, &mut self.fine)?,
            (Tier::Coarse, form) => question.of_log(&cell, form, &mut self.coarse)?,
            (Tier::Wide, _) => return None,
        };
        if answer.recorded {
            let until = question.now.as_micros().div_ceil(1_000) + question.limit.window_millis();
            self.table.set(place, cell.with(words, until));
        }
        Some(answer)
    }
}

/// The present moment and a window, as the stamps of a log see them.
struct Moment<const MICROS: u64> {
    /// The end of the tick that it lies in.
    stamp: Narrow<MICROS>,
    /// For how many microseconds a hit counts that comes now.
    lasts: u64,
}

impl<const MICROS: u64> Moment<MICROS> {
    #[inline]
    fn new(question: &Question) -> Self {
        let now = question.now.as_micros();
        let ahead = now.div_ceil(MICROS) * MICROS - now;
        Self {
            stamp: Narrow::end_of(question.now),
            lasts: question.limit.window_millis() * 1_000 + ahead,
        }
    }

    /// Microseconds from the hit to the stamp.
    #[inline]
    fn age(&self, hit: Narrow<MICROS>) -> u64 {
        hit.until(self.stamp) * MICROS
    }

    #[inline]
    fn has_left(&self, hit: Narrow<MICROS>) -> bool {
        self.age(hit) >= self.lasts
    }

    /// Microseconds until the hit leaves, which has not left.
    #[inline]
    fn wait(&self, hit: Narrow<MICROS>) -> u64 {
        self.lasts - self.age(hit)
    }
}

impl Question {
    #[inline]
    fn of_log<const MICROS: u64>(
        &self,
        cell: &Cell,
        form: u64,
        rings: &mut Rings<MICROS>,
    ) -> Option<(Answer, Words)> {
        let moment = Moment::new(self);
        let (a, b) = cell.words();
        match form {
            len @ 1..=4 => self.of_units(cell, &moment, Few::new(a, b), len),
            UNIT_RING => self.of_unit_ring(cell, &moment, &mut rings.units, (a, b)),
            RING => {
                let ((slot, base), (head, len)) = (unpack(a), unpack(b));
                let mut shape = Shape { head, len, base };
                let answer = self.of_hits(cell, &moment, rings.hits.get_mut(slot), &mut shape)?;
                Some((answer, pack_ring(RING, slot, shape)))
            }
            _ => match Kept::<MICROS>::unpack(form, a, b)? {
                Kept::Pair { mut hits, len } => {
                    let mut shape = shape_of(len);
                    let answer = self.of_hits(cell, &moment, &mut hits, &mut shape)?;
                    if shape.head > 0 {
                        hits.swap(0, 1);
                    }
                    for hit in &mut hits {
                        hit.total = hit.total.wrapping_sub(shape.base);
                    }
                    let len = shape.len;
                    Some((answer, Kept::Pair { hits, len }.pack()))
                }
                _ => None,
            },
        }
    }

    /// One to four hits of one unit, in the cell.
    #[inline]
    fn of_units<const MICROS: u64>(
        &self,
        cell: &Cell,
        moment: &Moment<MICROS>,
        mut hits: Few<MICROS>,
        mut len: u64,
    ) -> Option<(Answer, Words)> {
        let newest = hits.get(len - 1);
        if self.cost != 1 || !self.is_of_window(cell, newest) {
            return None;
        }
        while moment.has_left(hits.get(0)) {
            len -= 1;
            if len == 0 {
                return None;
            }
            hits.forget_oldest();
        }
        let count = u64::from(self.limit.count().get());
        if let Some(last) = len.checked_sub(count) {
            let refused = self.refused(0, moment.wait(newest), moment.wait(hits.get(last)));
            return Some((refused.lasting(last == 0), (0, 0, 0)));
        }
        if len == UNITS as u64 || len > u64::from(self.entries) || newest == moment.stamp {
            return None;
        }
        hits.append(len, moment.stamp);
        let (a, b) = hits.words();
        // What is below the count has 32 bits.
        let left = u32::try_from(count - len - 1).ok()?;
        Some((self.admitted(left, moment.lasts), (len + 1, a, b)))
    }

    /// More of them, elsewhere.
    #[inline]
    fn of_unit_ring<const MICROS: u64>(
        &self,
        cell: &Cell,
        moment: &Moment<MICROS>,
        rings: &mut super::slab::Slab<Narrow<MICROS>>,
        (a, b): (u64, u64),
    ) -> Option<(Answer, Words)> {
        let ((slot, oldest), (head, len)) = (unpack(a), unpack(b));
        let mut oldest = Narrow(oldest);
        let mut shape = Shape { head, len, base: 0 };
        let hits = rings.get_mut(slot);
        let newest = *hits.get(shape.place(len.checked_sub(1)?, hits.len()))?;
        if self.cost != 1 || !self.is_of_window(cell, newest) {
            return None;
        }
        while moment.has_left(oldest) {
            shape.head = u32::try_from(shape.place(1, hits.len())).ok()?;
            shape.len = shape.len.checked_sub(2)? + 1;
            oldest = *hits.get(shape.head as usize)?;
        }
        let count = self.limit.count().get();
        if let Some(last) = shape.len.checked_sub(count) {
            let hit = *hits.get(shape.place(last, hits.len()))?;
            let refused = self.refused(0, moment.wait(newest), moment.wait(hit));
            return Some((refused.lasting(last == 0), (0, 0, 0)));
        }
        if shape.len as usize == hits.len() || shape.len > self.entries || newest == moment.stamp {
            return None;
        }
        let end = shape.place(shape.len, hits.len());
        *hits.get_mut(end)? = moment.stamp;
        shape.len += 1;
        let words = (UNIT_RING, pack(slot, oldest.0), pack(shape.head, shape.len));
        Some((self.admitted(count - shape.len, moment.lasts), words))
    }

    /// Hits of any cost. The shape holds only if the request was recorded.
    #[inline]
    fn of_hits<const MICROS: u64>(
        &self,
        cell: &Cell,
        moment: &Moment<MICROS>,
        hits: &mut [Hit<Narrow<MICROS>>],
        shape: &mut Shape,
    ) -> Option<Answer> {
        let end = shape.place(shape.len.checked_sub(1)?, hits.len());
        let newest = *hits.get(end)?;
        if !self.is_of_window(cell, newest.at) {
            return None;
        }
        let mut oldest = *hits.get(shape.head as usize)?;
        while moment.has_left(oldest.at) {
            shape.base = oldest.total;
            shape.head = u32::try_from(shape.place(1, hits.len())).ok()?;
            shape.len = shape.len.checked_sub(2)? + 1;
            oldest = *hits.get(shape.head as usize)?;
        }
        let used = newest.total.wrapping_sub(shape.base);
        let count = self.limit.count().get();
        let left = count.saturating_sub(used);
        if self.cost > left {
            return self.refuse(moment, hits, shape, used);
        }
        let total = newest.total.wrapping_add(self.cost);
        if newest.at == moment.stamp {
            hits.get_mut(end)?.total = total;
        } else {
            let end = if shape.len as usize == hits.len() {
                self.merge(moment, hits, shape, end)?
            } else {
                shape.len += 1;
                shape.place(shape.len - 1, hits.len())
            };
            *hits.get_mut(end)? = Hit::new(moment.stamp, total);
        }
        Some(self.admitted(left - self.cost, moment.lasts))
    }

    #[cold]
    fn refuse<const MICROS: u64>(
        &self,
        moment: &Moment<MICROS>,
        hits: &[Hit<Narrow<MICROS>>],
        shape: &Shape,
        used: u32,
    ) -> Option<Answer> {
        let hit = |index| hits.get(shape.place(index, hits.len())).copied();
        let before = match shape.len.checked_sub(2) {
            Some(before) => hit(before)?.total,
            None => shape.base,
        };
        let newest = hit(shape.len.checked_sub(1)?)?;
        let count = self.limit.count().get();
        // Units that were given back leave a hit of nothing, which resets nothing.
        if newest.total == before || self.cost > count {
            return None;
        }
        // The first hits that bring enough; nearly always, that is the oldest.
        let oldest = hit(0)?;
        let short = u64::from(self.cost) + u64::from(used) - u64::from(count);
        if short > oldest.total.wrapping_sub(shape.base).into() {
            return None;
        }
        let left = count.saturating_sub(used);
        let refused = self.refused(left, moment.wait(newest.at), moment.wait(oldest.at));
        Some(refused.lasting(left == 0))
    }

    /// Makes the last place of a full log free, if the hit there lies in one cell of the grid with the one before it.
    fn merge<const MICROS: u64>(
        &self,
        moment: &Moment<MICROS>,
        hits: &mut [Hit<Narrow<MICROS>>],
        shape: &Shape,
        end: usize,
    ) -> Option<usize> {
        let is_largest = hits.len() as u64 >= u64::from(self.entries) + 2;
        let newest = *hits.get(end)?;
        let before = hits.get_mut(shape.place(shape.len.checked_sub(2)?, hits.len()))?;
        let now = self.now.as_micros().div_ceil(MICROS);
        let cell = grid(self.limit.window_millis() * 1_000 / MICROS, self.entries);
        let from_edge = (now - newest.at.until(moment.stamp)) % cell;
        (is_largest && before.at.until(newest.at) <= from_edge).then(|| {
            *before = newest;
            end
        })
    }

    /// Whether the log was only ever asked for this window: its newest hit is forgotten when it leaves.
    #[inline]
    fn is_of_window<const MICROS: u64>(&self, cell: &Cell, newest: Narrow<MICROS>) -> bool {
        let millis = 1_000 / MICROS;
        let horizon = newest.until(Narrow::low(cell.fresh_at() * millis));
        horizon.wrapping_sub(self.limit.window_millis() * millis) < millis
    }

    #[inline]
    fn admitted(&self, left: u32, reset_after: u64) -> Answer {
        Answer {
            outcome: Outcome::allowed(self.limit, left, reset_after),
            recorded: true,
            lasts: false,
        }
    }

    #[inline]
    fn refused(&self, left: u32, reset_after: u64, retry_after: u64) -> Answer {
        Answer {
            outcome: Outcome::allowed(self.limit, left, reset_after).refused(retry_after),
            recorded: false,
            lasts: false,
        }
    }

    /// The answer to the first hit of a budget, and its cell; `None` if it can never fit.
    #[inline]
    pub(super) fn first(&self) -> Option<(Outcome, Cell)> {
        let limits = [self.limit];
        let slot = Slot {
            owner: self.owner,
            variant: Variant::LOG,
            limits: &limits,
            cost: self.cost,
            strategy: Strategy::MovingWindow,
            charge: 0,
        };
        let left = self.limit.count().get().checked_sub(self.cost)?;
        let window = self.limit.window_millis();
        let write = Write {
            slot: &slot,
            now: self.now,
            horizon: window,
            entries: self.entries,
        };
        let now = self.now.as_micros();
        let tier = Tier::of(window, window);
        let stamp = match tier {
            Tier::Coarse => now.next_multiple_of(Coarse::MICROS),
            Tier::Fine | Tier::Wide => now,
        };
        let outcome = Outcome::allowed(self.limit, left, stamp + window * 1_000 - now);
        let fresh_at = now.div_ceil(1_000) + window;
        let state: State = write.first(tier);
        Some((
            outcome,
            Cell::new(self.owner.low, Variant::LOG, state, fresh_at),
        ))
    }
}

impl Answer {
    fn lasting(self, lasts: bool) -> Self {
        Self { lasts, ..self }
    }
}
