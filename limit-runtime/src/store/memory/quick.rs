//! Fast path for the most common check: one limit, in a counter or in a log without a longer
//! window.
//!
//! It decides and records exactly as the general path does (the tests compare both with one model),
//! or declines, and the general path takes over.

use super::{
    cell::Cell,
    identity::{Owner, Variant},
    kept::{Few, Kept, RING, Rings, UNIT_RING, UNITS, pack, pack_ring, shape_of, unpack},
    shard::Shard,
    slab::Slab,
    slot::Slot,
    write::{Tier, Write},
};
use crate::{
    clock::Ticks,
    decision::Remaining,
    window::{
        Strategy,
        counter::Counter,
        moving::{Coarse, Hit, Narrow, Resolution, RingRange, Stamp, Total, grid, partition},
        window_micros,
    },
};
use limit_core::Limit;

/// The cost and limit to check.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub(super) owner: Owner,
    pub(super) variant: Variant,
    pub(super) limit: Limit,
    pub(super) strategy: Strategy,
    /// At least 1.
    pub(super) cost: u64,
    pub(super) now: Ticks,
    pub(super) entries: u32,
}

/// A ring with this many hits left is freed. Fewer than a cell can hold, so that a log does not
/// move back and forth.
const FEW_LEFT: u32 = 2;

/// The result, small enough for a register. The remaining units are written to memory of the
/// caller, which saves a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quick {
    /// Allowed and recorded.
    Consumed,
    /// Denied.
    Refused,
    /// The general path has to decide.
    Declined,
}

impl Shard {
    /// Consumes from the budget in this place, which has not expired.
    #[inline]
    pub(super) fn consume_quickly(
        &mut self,
        place: usize,
        question: &Question,
        left: &mut Remaining,
    ) -> Quick {
        let Some(cell) = self.table.get_mut(place) else {
            return Quick::Declined;
        };
        let answer = match cell.form() {
            Some((Tier::Fine, form)) => question.of_log(cell, form, &mut self.fine, left),
            Some((Tier::Coarse, form)) => question.of_log(cell, form, &mut self.coarse, left),
            Some((Tier::Wide, _)) => None,
            None => question.of_counter(cell, left),
        };
        answer.unwrap_or(Quick::Declined)
    }
}

/// The current time and a window, in the resolution of a log.
struct Moment<const MICROS: u64> {
    /// The end of the current tick.
    stamp: Narrow<MICROS>,
    /// For how many microseconds a hit at the current time counts.
    lasts: u64,
}

impl<const MICROS: u64> Moment<MICROS> {
    #[inline]
    fn new(question: &Question) -> Self {
        let now = question.now.as_micros();
        let ahead = (MICROS - now % MICROS) % MICROS;
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

    /// The remaining units after a hit is recorded now, in a log whose `oldest` hit still counts.
    #[inline]
    fn left(&self, remaining: u64, oldest: Narrow<MICROS>) -> Remaining {
        Remaining {
            remaining,
            reset_after: self.lasts,
            next_after: self.lasts.saturating_sub(self.age(oldest)),
        }
    }
}

impl Question {
    #[inline]
    fn of_log<const MICROS: u64>(
        &self,
        cell: &mut Cell,
        form: u64,
        rings: &mut Rings<MICROS>,
        left: &mut Remaining,
    ) -> Option<Quick> {
        let moment = Moment::new(self);
        match form {
            len @ 1..=4 => self.of_units(cell, &moment, len, left),
            UNIT_RING => self.of_unit_ring(cell, &moment, &mut rings.units, left),
            RING => {
                let (a, b) = cell.words();
                let ((slot, base), (head, len)) = (unpack(a), unpack(b));
                let base = base.into();
                let mut shape = RingRange { head, len, base };
                let hits = rings.hits.get_mut(slot);
                let answer = self.of_hits(cell, &moment, hits, &mut shape, left)?;
                if answer == Quick::Consumed {
                    self.renew(cell, pack_ring(RING, slot, shape));
                }
                Some(answer)
            }
            _ => self.of_pair(cell, &moment, form, left),
        }
    }

    /// One to four hits of one unit, in the cell.
    fn of_units<const MICROS: u64>(
        &self,
        cell: &mut Cell,
        moment: &Moment<MICROS>,
        mut len: u64,
        left: &mut Remaining,
    ) -> Option<Quick> {
        let mut hits = Few::<MICROS>::of(cell);
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
        let count = self.limit.count().get();
        if len >= count {
            return Some(Quick::Refused);
        }
        if len == UNITS as u64 || len > u64::from(self.entries) || newest == moment.stamp {
            return None;
        }
        hits.append(len, moment.stamp);
        *left = moment.left(count - len - 1, hits.get(0));
        let (a, b) = hits.words();
        self.renew(cell, (len + 1, a, b));
        Some(Quick::Consumed)
    }

    /// More hits of one unit in a ring, which move back to the cell once they are few.
    fn of_unit_ring<const MICROS: u64>(
        &self,
        cell: &mut Cell,
        moment: &Moment<MICROS>,
        rings: &mut Slab<Narrow<MICROS>>,
        left: &mut Remaining,
    ) -> Option<Quick> {
        let (a, b) = cell.words();
        let ((slot, oldest), (head, len)) = (unpack(a), unpack(b));
        let mut oldest = Narrow(oldest);
        let mut shape = RingRange { head, len, base: 0 };
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
        if u64::from(shape.len) >= count {
            return Some(Quick::Refused);
        }
        let room = hits.len().min(Resolution::capacity_of_one(self.entries));
        if shape.len as usize >= room || newest == moment.stamp {
            return None;
        }
        *left = moment.left(count - u64::from(shape.len) - 1, oldest);
        if shape.len <= FEW_LEFT {
            let mut few = Few::default();
            for index in 0..shape.len {
                few.append(index.into(), *hits.get(shape.place(index, hits.len()))?);
            }
            few.append(shape.len.into(), moment.stamp);
            rings.remove(slot);
            let (a, b) = few.words();
            self.renew(cell, (u64::from(shape.len) + 1, a, b));
            return Some(Quick::Consumed);
        }
        let end = shape.place(shape.len, hits.len());
        *hits.get_mut(end)? = moment.stamp;
        shape.len += 1;
        let (a, b) = (pack(slot, oldest.0), pack(shape.head, shape.len));
        self.renew(cell, (UNIT_RING, a, b));
        Some(Quick::Consumed)
    }

    /// One hit or two of any cost, in the cell.
    fn of_pair<const MICROS: u64>(
        &self,
        cell: &mut Cell,
        moment: &Moment<MICROS>,
        form: u64,
        left: &mut Remaining,
    ) -> Option<Quick> {
        let (a, b) = cell.words();
        let Kept::Pair { mut hits, len } = Kept::<MICROS>::unpack(form, a, b)? else {
            return None;
        };
        let mut shape = shape_of(len);
        let answer = self.of_hits(cell, moment, &mut hits, &mut shape, left)?;
        if shape.head > 0 {
            hits.swap(0, 1);
        }
        for hit in &mut hits {
            hit.total = Total::low(u32::since(hit.total.into(), shape.base));
        }
        let len = shape.len;
        if answer == Quick::Consumed {
            self.renew(cell, Kept::Pair { hits, len }.pack());
        }
        Some(answer)
    }

    /// Writes the cell of a log after a hit was recorded.
    #[inline(always)]
    fn renew(&self, cell: &mut Cell, words: (u64, u64, u64)) {
        let until = self.now.as_micros().div_ceil(1_000) + self.limit.window_millis();
        cell.renew(words, until);
    }

    /// Hits of any cost. The shape is valid only if the request was recorded.
    #[inline(always)]
    fn of_hits<const MICROS: u64>(
        &self,
        cell: &Cell,
        moment: &Moment<MICROS>,
        hits: &mut [Hit<Narrow<MICROS>>],
        shape: &mut RingRange,
        left: &mut Remaining,
    ) -> Option<Quick> {
        let end = shape.place(shape.len.checked_sub(1)?, hits.len());
        let newest = *hits.get(end)?;
        if !self.is_of_window(cell, newest.at) {
            return None;
        }
        let mut oldest = *hits.get(shape.head as usize)?;
        while moment.has_left(oldest.at) {
            shape.base = oldest.total.into();
            shape.head = u32::try_from(shape.place(1, hits.len())).ok()?;
            shape.len = shape.len.checked_sub(2)? + 1;
            oldest = *hits.get(shape.head as usize)?;
        }
        let used = u32::since(newest.total.into(), shape.base);
        let count = self.limit.count().get();
        let remaining = count.saturating_sub(used);
        if self.cost > remaining {
            return Some(Quick::Refused);
        }
        if used + self.cost > u32::MAX.into() {
            return None;
        }
        let total = newest.total.wrapping_add(Total::low(self.cost));
        if newest.at == moment.stamp {
            hits.get_mut(end)?.total = total;
        } else {
            let end = if shape.len as usize == hits.len() {
                self.merge(moment, hits, shape, end)?
            } else {
                shape.len += 1;
                shape.place(shape.len - 1, hits.len())
            };
            *hits.get_mut(end)? = Hit {
                at: moment.stamp,
                total,
            };
        }
        if u64::from(oldest.total) == shape.base {
            oldest = first_of_weight(hits, shape)?;
        }
        *left = moment.left(remaining - self.cost, oldest.at);
        Some(Quick::Consumed)
    }

    /// Frees the last place of a full log, if its hit is in one grid cell with the hit before it.
    fn merge<const MICROS: u64>(
        &self,
        moment: &Moment<MICROS>,
        hits: &mut [Hit<Narrow<MICROS>>],
        shape: &RingRange,
        end: usize,
    ) -> Option<usize> {
        let is_largest = hits.len() >= Resolution::capacity_of_one(self.entries);
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

    /// Whether the log was never used with a longer window: its newest hit expires with this
    /// window.
    #[inline]
    fn is_of_window<const MICROS: u64>(&self, cell: &Cell, newest: Narrow<MICROS>) -> bool {
        let millis = 1_000 / MICROS;
        let horizon = newest.until(Narrow::low(cell.fresh_at() * millis));
        horizon.wrapping_sub(self.limit.window_millis() * millis) < millis
    }

    /// A counter.
    #[inline]
    fn of_counter(&self, cell: &mut Cell, left: &mut Remaining) -> Option<Quick> {
        let mut counter = cell.counter()?;
        let Some(then) = counter.consume(self.now, self.limit, self.strategy, self.cost) else {
            return Some(Quick::Refused);
        };
        *cell = self.cell(counter)?;
        *left = then;
        Some(Quick::Consumed)
    }

    /// The cell of a counter; `None` if it does not fit one.
    #[inline]
    fn cell(&self, counter: Counter) -> Option<Cell> {
        Cell::counted(self.owner.low, self.variant, counter, self.limit)
    }

    /// The remaining units after the first hit of a budget, and its cell. `None` if the cost
    /// exceeds the capacity or the counts do not fit in a cell.
    #[inline]
    pub(super) fn first(&self) -> Option<(Remaining, Cell)> {
        match Counter::fresh(self.strategy) {
            Some(mut counter) => {
                let left = counter.consume(self.now, self.limit, self.strategy, self.cost)?;
                Some((left, self.cell(counter)?))
            }
            None => self.first_of_log(),
        }
    }

    #[inline]
    fn first_of_log(&self) -> Option<(Remaining, Cell)> {
        let limits = [self.limit];
        let slot = Slot {
            owner: self.owner,
            variant: self.variant,
            limits: &limits,
            cost: self.cost,
            strategy: self.strategy,
            charge: 0,
        };
        let remaining = self.limit.count().get().checked_sub(self.cost)?;
        let window = self.limit.window_millis();
        let write = Write {
            slot: &slot,
            now: self.now,
            horizon: window,
            entries: self.entries,
        };
        let tier = Tier::of(window, window).with_cost(self.cost);
        let reset_after = match tier {
            Tier::Coarse => Moment::<{ Coarse::MICROS }>::new(self).lasts,
            Tier::Fine | Tier::Wide => window_micros(self.limit),
        };
        let left = Remaining {
            remaining,
            reset_after,
            next_after: reset_after,
        };
        let fresh_at = self.now.as_micros().div_ceil(1_000) + window;
        let state = write.first(tier);
        let cell = Cell::new(self.owner.low, self.variant, state, fresh_at);
        Some((left, cell))
    }
}

/// The oldest hit that has not been refunded. `None` if there is none.
#[cold]
fn first_of_weight<const MICROS: u64>(
    hits: &[Hit<Narrow<MICROS>>],
    shape: &RingRange,
) -> Option<Hit<Narrow<MICROS>>> {
    let hit = |index| hits.get(shape.place(index, hits.len())).copied();
    let is_empty = |index| hit(index).is_some_and(|hit| u64::from(hit.total) == shape.base);
    hit(partition(shape.len, is_empty))
}
