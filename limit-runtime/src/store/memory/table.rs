//! Hash map of a shard: cells in one array, sorted by owner (ordered linear probing).
//!
//! A cell is stored at or after the place to which its owner is scaled, in sorted order, with empty
//! places between. So a search ends at the first cell that is not smaller, growth is one pass from
//! front to back, and removal leaves no tombstone. Owners are hashes with a secret seed, so an
//! attacker cannot choose keys that crowd one place.

use super::{cell::Cell, identity::Variant};

/// Sorted cells. At most four in five places are in use.
#[derive(Debug, Default)]
pub(super) struct Table {
    cells: Box<[Cell]>,
    /// The number of places that owners are scaled to. Further places hold cells pushed past the
    /// end.
    homes: usize,
    len: usize,
}

const LEAST: usize = 8;
/// The number of cells that a search compares before its first branch: two or three cache lines.
const LOOK: usize = 4;
const MOST_TAIL: usize = 128;

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, place: usize) -> Option<&Cell> {
        self.cells.get(place)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Cell> {
        self.cells.get_mut(place)
    }

    pub(super) fn set(&mut self, place: usize, cell: Cell) {
        self.cells[place] = cell;
    }

    /// The place of this budget, or the place to insert it.
    #[inline]
    pub(super) fn find(&self, owner: u64, variant: Variant) -> Result<usize, usize> {
        let mut place = self.home(owner);
        // Most searches end here. No branch depends on a single cell, so the CPU fetches all of
        // them at once.
        if let Some(first) = self.cells.get(place..place + LOOK) {
            place += first.iter().filter(|cell| cell.owner < owner).count();
        }
        while let Some(cell) = self.cells.get(place) {
            if cell.owner >= owner {
                if cell.owner > owner || cell.is_empty() || cell.variant().0 > variant.0 {
                    return Err(place);
                }
                if cell.variant() == variant {
                    return Ok(place);
                }
            }
            place += 1;
        }
        Err(place)
    }

    /// Whether one more cell needs a larger table.
    pub(super) fn is_full(&self) -> bool {
        self.len >= self.homes - self.homes / 5
            || self.cells.last().is_none_or(|cell| !cell.is_empty())
    }

    /// Whether a much smaller table would do.
    pub(super) fn is_sparse(&self) -> bool {
        self.homes > LEAST && self.len < self.homes / 4
    }

    /// Puts a cell where [`find`](Self::find) said; the table must not be full.
    pub(super) fn insert(&mut self, place: usize, cell: Cell) {
        let Some(empty) = self.cells[place..].iter().position(Cell::is_empty) else {
            return;
        };
        self.cells.copy_within(place..place + empty, place + 1);
        self.cells[place] = cell;
        self.len += 1;
    }

    /// Removes a cell. The cells behind it move up where possible.
    pub(super) fn remove(&mut self, place: usize) {
        let behind = self.cells[place + 1..]
            .iter()
            .zip(place + 1..)
            .position(|(cell, at)| cell.is_empty() || self.home(cell.owner) == at);
        let end = place + 1 + behind.unwrap_or(self.cells.len() - place - 1);
        self.cells.copy_within(place + 1..end, place);
        self.cells[end - 1] = Cell::EMPTY;
        self.len -= 1;
    }

    /// Grows the table by half.
    #[cold]
    pub(super) fn grow(&mut self) {
        self.rebuild(self.homes + self.homes / 2);
    }

    /// Shrinks the table to its cells, with some room to grow.
    #[cold]
    pub(super) fn shrink(&mut self) {
        if self.len == 0 {
            *self = Self::default();
        } else {
            self.rebuild(self.len * 2);
        }
    }

    /// The size in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.cells.len() * size_of::<Cell>()
    }

    /// The number of cells that a search for this owner visits after the first.
    #[cfg(test)]
    pub(super) fn distance(&self, owner: u64) -> usize {
        let (Ok(place) | Err(place)) = self.find(owner, Variant::LOG);
        place - self.home(owner)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| !cell.is_empty())
    }

    fn home(&self, owner: u64) -> usize {
        home(owner, self.homes)
    }

    fn rebuild(&mut self, homes: usize) {
        let mut homes = homes.max(LEAST);
        loop {
            let tail = (LEAST + homes / 8).min(MOST_TAIL);
            let mut cells = vec![Cell::EMPTY; homes + tail].into_boxed_slice();
            let mut next = 0;
            let fits = self.cells().all(|cell| {
                let place = home(cell.owner, homes).max(next);
                next = place + 1;
                cells.get_mut(place).map(|to| *to = *cell).is_some()
            });
            // The last place is kept empty, or the table would be full at once.
            if fits && next < cells.len() {
                self.cells = cells;
                self.homes = homes;
                return;
            }
            homes += homes / 2;
        }
    }
}

/// Owners spread over places, in order.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's upper half is below `homes`"
)]
fn home(owner: u64, homes: usize) -> usize {
    ((u128::from(owner) * homes as u128) >> 64) as usize
}
