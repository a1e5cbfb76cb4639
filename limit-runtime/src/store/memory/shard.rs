//! A part of the store under one lock: its table, the logs that outgrew their cells, and its time.

use super::{
    cell::{COARSE_MICROS, Cell, FINE_MICROS, State, WideCounter, WideWords, fresh_at},
    identity::{Owner, Variant},
    kept::{Rings, shape_of},
    log::{self, Ask},
    slab::Slab,
    slot::Slot,
    table::Table,
};
use crate::{
    clock::Ticks,
    decision::{Outcome, Remaining},
    window::{
        Strategy, after,
        counter::Counter,
        moving::{Entry, Fine, Hit, Resolution, View},
        until, window_micros,
    },
};
use limit_core::Limit;

/// The fields that every check uses come first, in one cache line with the lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Shard {
    pub(super) table: Table,
    time: Time,
    pub(super) fine: Rings<FINE_MICROS>,
    pub(super) coarse: Rings<COARSE_MICROS>,
    pub(super) wide_rings: Slab<Hit<u64>>,
    /// Where the next scan for expired cells begins.
    hand: usize,
    /// The number of new budgets so far.
    begun: u32,
}

/// The counts that a budget takes over from a shared budget, which may be in another shard.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) state: State,
    /// The millisecond of expiry.
    pub(super) fresh_at: u64,
}

/// Monotonic time of a shard: if the clock steps back, time continues from its latest value, and
/// ages of hits do not change.
#[derive(Debug, Default)]
struct Time {
    latest: u64,
    stepped_back: u64,
}

/// Query: the outcome of a limit for a request of some cost now.
struct Assess {
    now: Ticks,
    limit: Limit,
    cost: u64,
}

/// Query: the time of the newest hit of a log, and the number of its places.
struct NewestAndPlaces;

impl Ask for NewestAndPlaces {
    type Answer = (Ticks, usize);

    #[inline]
    fn ask<E: Entry>(self, log: View<'_, E>) -> (Ticks, usize) {
        (log.newest, log.hits.len())
    }
}

impl Ask for Assess {
    type Answer = Outcome;

    #[inline]
    fn ask<E: Entry>(self, log: View<'_, E>) -> Outcome {
        log.assess(self.now, self.limit, self.cost)
    }
}

impl Time {
    #[inline]
    fn now(&self) -> Ticks {
        Ticks::from_micros(self.latest.saturating_add(self.stepped_back))
    }
}

/// A reading that is this many microseconds before the latest one does not count as a clock step.
const SLACK: u64 = 1_000;

impl Shard {
    /// The current time, from a reading of the clock. `None` if the reading is so old that the
    /// clock has to be read [again](Self::step_back) under the lock.
    #[inline]
    pub(super) fn now(&mut self, reading: Ticks) -> Option<Ticks> {
        let time = &mut self.time;
        // Threads may get here in another order than they read the clock: the latest reading
        // counts.
        time.latest = match reading.as_micros() {
            later if later >= time.latest => later,
            earlier if time.latest - earlier <= SLACK => time.latest,
            _ => return None,
        };
        Some(self.time.now())
    }

    /// The current time, from a reading under the lock: if it is far back, the clock has stepped.
    #[cold]
    pub(super) fn step_back(&mut self, reading: Ticks) -> Ticks {
        if self.now(reading).is_none() {
            let time = &mut self.time;
            time.stepped_back += time.latest - reading.as_micros();
            time.latest = reading.as_micros();
        }
        self.time.now()
    }

    /// The current time in the clock's time.
    pub(super) fn latest_reading(&self) -> Ticks {
        Ticks::from_micros(self.time.latest)
    }

    /// Converts this shard's time to the clock's time.
    pub(super) fn reading(&self, millis: u64) -> u64 {
        millis.saturating_sub(self.time.stepped_back / 1_000)
    }

    /// The cell of a budget, unless it has expired.
    #[inline]
    pub(super) fn find(&self, owner: Owner, variant: Variant, now: Ticks) -> Option<Cell> {
        self.live(self.table.find(owner.low, variant), now)
    }

    /// The cell in a place that the table found, unless it has expired.
    #[inline]
    pub(super) fn live(&self, place: Result<usize, usize>, now: Ticks) -> Option<Cell> {
        let cell = self.table.get(place.ok()?)?;
        (cell.fresh_at() > millis(now)).then_some(*cell)
    }

    /// Whether the cell there has not expired.
    #[inline]
    pub(super) fn is_live(&self, place: usize, now: Ticks) -> bool {
        self.table
            .get(place)
            .is_some_and(|cell| cell.fresh_at() > millis(now))
    }

    /// Whether a budget has a cell, expired or not.
    pub(super) fn holds(&self, owner: Owner, variant: Variant) -> bool {
        self.table.find(owner.low, variant).is_ok()
    }

    /// The outcome of `limit` for a request of `cost`, given the budget's `cell`.
    #[inline]
    pub(super) fn assess(
        &self,
        cell: Option<&Cell>,
        now: Ticks,
        limit: Limit,
        strategy: Strategy,
        cost: u64,
    ) -> Outcome {
        match self.counter_of(cell, strategy) {
            Some(counter) => counter.assess(now, limit, strategy, cost),
            None => self.read(cell, Assess { now, limit, cost }),
        }
    }

    /// Runs a query on a log in any encoding.
    #[inline]
    pub(super) fn read<Q: Ask>(&self, cell: Option<&Cell>, question: Q) -> Q::Answer {
        let Some((cell, state)) = cell.and_then(|cell| Some((cell, cell.state()?))) else {
            return question.ask(View::<Fine>::EMPTY);
        };
        match state {
            State::Fine(kept) => question.of_kept(cell, &self.fine, &kept),
            State::Coarse(kept) => question.of_kept(cell, &self.coarse, &kept),
            State::Single(hit) => question.ask(log::wide_view(&[hit], shape_of(1))),
            State::WideRing { slot, shape } => {
                question.ask(log::wide_view(self.wide_rings.get(slot), shape))
            }
            State::Counter(_) | State::WideCounter { .. } => question.ask(View::<Fine>::EMPTY),
        }
    }

    /// Records a request in the cell of its budget. Returns the cell and its place in the table. A
    /// new budget begins with `inherited`, or empty.
    #[inline]
    pub(super) fn record(
        &mut self,
        place: Result<usize, usize>,
        slot: &Slot<'_>,
        now: Ticks,
        entries: u32,
        inherited: Option<Inherited>,
    ) -> Cell {
        let found = place.ok().and_then(|place| self.table.get(place).copied());
        let before = match found {
            Some(cell) if cell.fresh_at() <= millis(now) => {
                self.free(&cell);
                None
            }
            Some(cell) => Some(cell),
            None => inherited.map(|it| self.cell(slot, it.state, it.fresh_at)),
        };
        let after = self.recorded(before, slot, now, entries);
        match place {
            Ok(place) => self.table.set(place, after),
            Err(place) => self.insert(place, after),
        }
        after
    }

    /// The new state after `before`.
    #[inline]
    fn recorded(
        &mut self,
        before: Option<Cell>,
        slot: &Slot<'_>,
        now: Ticks,
        entries: u32,
    ) -> Cell {
        match (self.counter_of(before.as_ref(), slot.strategy), slot.limits) {
            (Some(mut counter), &[limit]) => {
                if let Some(before) = &before {
                    self.free(before);
                }
                counter.record(now, limit, slot.cost);
                self.cell(slot, State::Counter(counter), fresh_at(&counter, limit))
            }
            _ => log::record(self, before, slot, now, entries),
        }
    }

    /// Updates outcomes that were assessed before `slot` was recorded.
    #[inline]
    pub(super) fn settle(
        &self,
        cell: &Cell,
        slot: &Slot<'_>,
        now: Ticks,
        entries: u32,
        outcomes: &mut [Outcome],
    ) {
        let newest = match slot.strategy {
            Strategy::MovingWindow => self.newest_of_spacious(cell, entries),
            _ => None,
        };
        for (outcome, &limit) in outcomes.iter_mut().zip(slot.limits) {
            let left = match (newest, outcome.remaining().checked_sub(slot.cost)) {
                // Earlier hits leave the window at unchanged times.
                (Some(newest), Some(remaining)) => {
                    let reset_after = until(now, after(newest, window_micros(limit)));
                    let next_after = match outcome.left().next_after {
                        0 => reset_after,
                        next_after => next_after,
                    };
                    Remaining {
                        remaining,
                        reset_after,
                        next_after,
                    }
                }
                _ => {
                    let stands = self.assess(Some(cell), now, limit, slot.strategy, 0);
                    stands.left()
                }
            };
            outcome.update(left);
        }
    }

    /// The time of the newest hit of a log, unless the log is so large that hits may have merged.
    #[inline]
    fn newest_of_spacious(&self, cell: &Cell, entries: u32) -> Option<Ticks> {
        let (newest, places) = self.read(Some(cell), NewestAndPlaces);
        (places < Resolution::capacity_of_one(entries)).then_some(newest)
    }

    /// Inserts a cell at the place that the table found.
    fn insert(&mut self, place: usize, cell: Cell) {
        if !self.table.is_full() {
            self.table.insert(place, cell);
            return;
        }
        self.table.grow();
        let (Ok(place) | Err(place)) = self.table.find(cell.owner, cell.variant());
        self.table.insert(place, cell);
    }

    /// Records the first hit of a budget at the place that the table found.
    #[inline]
    pub(super) fn begin(&mut self, place: Result<usize, usize>, cell: Cell) {
        match place {
            Ok(place) => {
                if let Some(old) = self.table.get(place).copied() {
                    self.free(&old);
                }
                self.table.set(place, cell);
            }
            Err(place) => self.insert(place, cell),
        }
    }

    /// Whether this new budget has to scan for expired cells: one long scan costs less than several
    /// short ones.
    pub(super) fn is_turn_to_evict(&mut self, turns: u32) -> bool {
        self.begun = self.begun.wrapping_add(1);
        self.begun.is_multiple_of(turns)
    }

    /// Refunds what a request consumed at `at`.
    pub(super) fn refund(&mut self, slot: &Slot<'_>, at: Ticks, now: Ticks) {
        let Ok(place) = self.table.find(slot.owner.low, slot.variant) else {
            return;
        };
        let Some(cell) = self.table.get(place).copied() else {
            return;
        };
        let state = match (self.counter(&cell), slot.limits) {
            (Some(mut counter), &[limit]) => {
                self.free(&cell);
                counter.refund(now, at, limit, slot.cost);
                Some(State::Counter(counter))
            }
            _ => log::refund(self, &cell, at, slot.cost),
        };
        if let Some(state) = state {
            let cell = self.cell(slot, state, cell.fresh_at());
            self.table.set(place, cell);
        }
    }

    /// The counts that the budget of `slot` takes over from `cell`: everything the cell counts, as
    /// if consumed just now, which is conservative. `now` is the time of this shard, `there` that
    /// of the shard of the new budget.
    pub(super) fn bequeath(
        &self,
        cell: &Cell,
        slot: &Slot<'_>,
        now: Ticks,
        there: Ticks,
    ) -> Option<Inherited> {
        match self.counter(cell) {
            Some(counter) => Some(Inherited {
                state: State::Counter(counter),
                fresh_at: cell.fresh_at(),
            }),
            None => log::bequeath(self, cell, slot, now, there),
        }
    }

    /// A cell for the budget of `slot`. A counter that does not fit is stored outside of the cell.
    #[inline]
    fn cell(&mut self, slot: &Slot<'_>, state: State, fresh_at: u64) -> Cell {
        let state = match state {
            State::Counter(counter) => self.settled(counter),
            state => state,
        };
        Cell::new(slot.owner.low, slot.variant, state, fresh_at)
    }

    #[inline]
    fn settled(&mut self, counter: Counter) -> State {
        match WideCounter::of(counter) {
            Some((kind, words)) => self.insert_wide(kind, words),
            None => State::Counter(counter),
        }
    }

    #[cold]
    fn insert_wide(&mut self, kind: WideCounter, words: WideWords) -> State {
        let slot = self.wide_rings.insert(words.len());
        for (to, word) in self.wide_rings.get_mut(slot).iter_mut().zip(words) {
            *to = word;
        }
        State::WideCounter { kind, slot }
    }

    /// The counter of a cell; `None` if it is empty or a log.
    #[inline]
    fn counter(&self, cell: &Cell) -> Option<Counter> {
        cell.counter().or_else(|| self.wide_counter(cell))
    }

    #[cold]
    fn wide_counter(&self, cell: &Cell) -> Option<Counter> {
        match cell.state()? {
            State::WideCounter { kind, slot } => kind.counter(self.wide_rings.get(slot)),
            _ => None,
        }
    }

    /// The counter in a cell, or a fresh one; `None` if the strategy keeps a log.
    #[inline]
    fn counter_of(&self, cell: Option<&Cell>, strategy: Strategy) -> Option<Counter> {
        let fresh = Counter::fresh(strategy)?;
        Some(cell.and_then(|cell| self.counter(cell)).unwrap_or(fresh))
    }

    /// Removes all cells of `owner`. Returns the number of cells, and the number of budgets that
    /// had counted something: one for each strategy.
    pub(super) fn clear(&mut self, owner: Owner, now: Ticks) -> (usize, u64) {
        let (Ok(first) | Err(first)) = self.table.find(owner.low, Variant::LOG);
        let (mut dropped, mut budgets) = (0, 0);
        let mut counted = None;
        while let Some(cell) = self.table.get(first).copied()
            && !cell.is_empty()
            && cell.owner == owner.low
        {
            // Cells are sorted by variant, so those of one strategy are adjacent.
            let strategy = Some(cell.variant().strategy_number());
            if cell.fresh_at() > millis(now) && counted != strategy {
                counted = strategy;
                budgets += 1;
            }
            self.drop_cell(first, &cell);
            dropped += 1;
        }
        (dropped, budgets)
    }

    /// Removes all cells. Returns how many there were.
    pub(super) fn reset(&mut self) -> usize {
        let dropped = self.table.len();
        self.table = Table::default();
        self.fine = Rings::default();
        self.coarse = Rings::default();
        self.wide_rings = Slab::default();
        dropped
    }

    /// Scans the next cells and removes expired ones. Returns how many were removed.
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
                    // The next cell may have moved here, so the position stays.
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

    /// Whether the scan position is at the beginning.
    pub(super) fn is_swept(&self) -> bool {
        self.hand == 0
    }

    pub(super) fn free(&mut self, cell: &Cell) {
        match cell.state() {
            Some(State::Fine(kept)) => self.fine.free(&kept),
            Some(State::Coarse(kept)) => self.coarse.free(&kept),
            Some(State::WideRing { slot, .. } | State::WideCounter { slot, .. }) => {
                self.wide_rings.remove(slot);
            }
            _ => {}
        }
    }

    /// The size of table and logs in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let logs = self.fine.bytes() + self.coarse.bytes() + self.wide_rings.bytes();
        self.table.bytes() + logs
    }

    fn drop_cell(&mut self, place: usize, cell: &Cell) {
        self.free(cell);
        self.table.remove(place);
    }
}

/// Milliseconds, rounded up.
pub(super) fn millis(now: Ticks) -> u64 {
    now.as_micros() / 1_000
}
