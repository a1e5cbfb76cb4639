//! A part of the store behind one lock: its table, the logs that outgrew their cells, and its time.

use super::{
    cell::{Cell, State},
    identity::{Owner, Variant},
    log,
    slab::Slab,
    slot::Slot,
    table::Table,
};
use crate::{
    clock::Ticks,
    decision::Outcome,
    window::{Strategy, fixed::Fixed, gcra::Gcra, moving::View, sliding::Sliding},
};
use limit_core::Limit;
use std::num::NonZeroU32;

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) table: Table,
    pub(super) rings: Slab<u32>,
    pub(super) wide_rings: Slab<u64>,
    /// Where to look next for cells that equal a fresh one.
    hand: usize,
    time: Time,
}

/// Time that never falls: if the clock steps back, time goes on from where it was, and ages stay what they are.
#[derive(Debug, Default)]
struct Time {
    latest: u64,
    stepped_back: u64,
}

impl Shard {
    /// The present moment, from a reading of the clock that was taken under the lock.
    #[inline]
    pub(super) fn now(&mut self, reading: Ticks) -> Ticks {
        let time = &mut self.time;
        let reading = reading.as_micros();
        time.stepped_back += time.latest.saturating_sub(reading);
        time.latest = reading;
        Ticks::from_micros(reading.saturating_add(time.stepped_back))
    }

    /// A moment of this shard's time, as the clock reads it.
    pub(super) fn reading(&self, millis: u64) -> u64 {
        millis.saturating_sub(self.time.stepped_back / 1_000)
    }

    /// The cell of a budget, unless it equals a fresh one.
    #[inline]
    pub(super) fn find(&self, owner: Owner, variant: Variant, now: Ticks) -> Option<Cell> {
        let place = self.table.find(owner.low, variant).ok()?;
        let cell = self.table.get(place)?;
        (cell.fresh_at() > millis(now)).then_some(*cell)
    }

    /// Whether a budget has a cell, even one that equals a fresh one.
    pub(super) fn holds(&self, owner: Owner, variant: Variant) -> bool {
        self.table.find(owner.low, variant).is_ok()
    }

    /// How `limit` stands for a request of `cost`, if `cell` is what is known.
    #[inline]
    pub(super) fn assess(
        &self,
        cell: Option<Cell>,
        now: Ticks,
        limit: Limit,
        strategy: Strategy,
        cost: u32,
    ) -> Outcome {
        let Some((cell, state)) = cell.and_then(|cell| Some((cell, cell.state()?))) else {
            return View::<u32>::EMPTY.assess(now, limit, cost);
        };
        match state {
            State::Pair { hits, len } => log::pair_view(&cell, &hits, len).assess(now, limit, cost),
            State::Single(hit) => log::single_view(&[hit]).assess(now, limit, cost),
            State::Ring { slot, shape } => {
                log::ring_view(&cell, self.rings.get(slot), shape).assess(now, limit, cost)
            }
            State::WideRing { slot, shape } => {
                log::wide_view(self.wide_rings.get(slot), shape).assess(now, limit, cost)
            }
            State::Fixed(fixed) => fixed.assess(now, limit, cost),
            State::Sliding(sliding) => sliding.assess(now, limit, cost),
            State::Gcra(gcra) => gcra.assess(now, limit, burst(strategy, limit), cost),
        }
    }

    /// Records a request in its budget's cell. A budget that has none begins with `inherited`, or with nothing.
    /// Says whether a cell was added.
    pub(super) fn record(
        &mut self,
        slot: &Slot<'_>,
        now: Ticks,
        entries: u32,
        inherited: Option<Cell>,
    ) -> bool {
        if slot.cost == 0 {
            return false;
        }
        let place = self.table.find(slot.owner.low, slot.variant).ok();
        let found = place.and_then(|place| self.table.get(place).copied());
        let before = match found {
            Some(cell) if cell.fresh_at() <= millis(now) => {
                self.free(&cell);
                inherited
            }
            Some(cell) => Some(cell),
            None => inherited,
        };
        let after = self.recorded(before, slot, now, entries);
        match place {
            Some(place) => self.table.set(place, after),
            None => self.insert(after),
        }
        place.is_none()
    }

    /// What `before` becomes.
    #[inline]
    fn recorded(
        &mut self,
        before: Option<Cell>,
        slot: &Slot<'_>,
        now: Ticks,
        entries: u32,
    ) -> Cell {
        let state = before.and_then(|cell| cell.state());
        let (state, fresh_at) = match (slot.strategy, slot.limits) {
            (Strategy::FixedWindow, &[limit]) => {
                let mut fixed = match state {
                    Some(State::Fixed(fixed)) => fixed,
                    _ => Fixed::default(),
                };
                fixed.record(now, limit, slot.cost);
                (State::Fixed(fixed), fixed.fresh_at(limit))
            }
            (Strategy::SlidingWindow, &[limit]) => {
                let mut sliding = match state {
                    Some(State::Sliding(sliding)) => sliding,
                    _ => Sliding::default(),
                };
                sliding.record(now, limit, slot.cost);
                (State::Sliding(sliding), sliding.fresh_at(limit))
            }
            (Strategy::Gcra { .. }, &[limit]) => {
                let mut gcra = match state {
                    Some(State::Gcra(gcra)) => gcra,
                    _ => Gcra::default(),
                };
                gcra.record(now, limit, slot.cost);
                (State::Gcra(gcra), gcra.fresh_at())
            }
            _ => return log::record(self, before, slot, now, entries),
        };
        let fresh_at = fresh_at.as_micros().div_ceil(1_000);
        Cell::new(slot.owner.low, slot.variant, state, fresh_at)
    }

    fn insert(&mut self, cell: Cell) {
        if self.table.is_full() {
            self.table.grow();
        }
        let (Ok(place) | Err(place)) = self.table.find(cell.owner, cell.variant());
        self.table.insert(place, cell);
    }

    /// Gives back what a request consumed at `at`.
    pub(super) fn refund(&mut self, slot: &Slot<'_>, at: Ticks, now: Ticks) {
        let Ok(place) = self.table.find(slot.owner.low, slot.variant) else {
            return;
        };
        let Some(cell) = self.table.get(place).copied() else {
            return;
        };
        let state = match (cell.state(), slot.limits) {
            (Some(State::Fixed(mut fixed)), _) => {
                fixed.refund(at, slot.cost);
                Some(State::Fixed(fixed))
            }
            (Some(State::Sliding(mut sliding)), &[limit]) => {
                sliding.refund(at, limit, slot.cost);
                Some(State::Sliding(sliding))
            }
            (Some(State::Gcra(mut gcra)), &[limit]) => {
                gcra.refund(now, at, limit, slot.cost);
                Some(State::Gcra(gcra))
            }
            _ => log::refund(self, &cell, at, slot.cost),
        };
        if let Some(state) = state {
            let cell = Cell::new(cell.owner, cell.variant(), state, cell.fresh_at());
            self.table.set(place, cell);
        }
    }

    /// What the budget of `slot` begins with where it takes over from `cell`: all that this counts, as if it had
    /// just been consumed. Stricter than the truth, and never looser.
    pub(super) fn bequeath(&self, cell: &Cell, slot: &Slot<'_>, now: Ticks) -> Option<Cell> {
        match cell.state()? {
            state @ (State::Fixed(_) | State::Sliding(_) | State::Gcra(_)) => Some(Cell::new(
                slot.owner.low,
                slot.variant,
                state,
                cell.fresh_at(),
            )),
            _ => log::bequeath(self, cell, slot, now),
        }
    }

    /// Drops all budgets of `owner`, and says how many there were.
    pub(super) fn clear(&mut self, owner: Owner) -> usize {
        let (Ok(first) | Err(first)) = self.table.find(owner.low, Variant::LOG);
        let mut dropped = 0;
        while let Some(cell) = self.table.get(first).copied()
            && !cell.is_empty()
            && cell.owner == owner.low
        {
            self.drop_cell(first, &cell);
            dropped += 1;
        }
        dropped
    }

    /// Drops everything, and says how many budgets there were.
    pub(super) fn reset(&mut self) -> usize {
        let dropped = self.table.len();
        self.table = Table::default();
        self.rings = Slab::default();
        self.wide_rings = Slab::default();
        dropped
    }

    /// Looks at the next cells, drops those that equal a fresh one, and says how many.
    pub(super) fn evict(&mut self, now: Ticks, look: usize) -> usize {
        let now = millis(now);
        let mut dropped = 0;
        for _ in 0..look {
            match self.table.get(self.hand).copied() {
                None => {
                    self.hand = 0;
                    break;
                }
                Some(cell) if !cell.is_empty() && cell.fresh_at() <= now => {
                    // The next one may have moved here: the hand stays.
                    self.drop_cell(self.hand, &cell);
                    dropped += 1;
                }
                Some(_) => self.hand += 1,
            }
        }
        if self.table.is_sparse() {
            self.table.shrink();
        }
        dropped
    }

    /// Whether the hand is back at the beginning.
    pub(super) fn is_swept(&self) -> bool {
        self.hand == 0
    }

    pub(super) fn free(&mut self, cell: &Cell) {
        match cell.state() {
            Some(State::Ring { slot, .. }) => self.rings.remove(slot),
            Some(State::WideRing { slot, .. }) => self.wide_rings.remove(slot),
            _ => {}
        }
    }

    fn drop_cell(&mut self, place: usize, cell: &Cell) {
        self.free(cell);
        self.table.remove(place);
    }
}

/// Whole milliseconds, of which the last may have just begun.
pub(super) fn millis(now: Ticks) -> u64 {
    now.as_micros() / 1_000
}

fn burst(strategy: Strategy, limit: Limit) -> NonZeroU32 {
    match strategy {
        Strategy::Gcra { burst } => burst,
        _ => limit.count(),
    }
}
