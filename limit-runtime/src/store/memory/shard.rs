//! A part of the store under one lock: its table and its time.

use super::{
    budget_id::BudgetId,
    entry::Entry,
    kind::Kind,
    shard_time::ShardTime,
    table::Table,
    totals::{Place, Totals},
};
use crate::clock::Ticks;

#[derive(Debug, Default)]
pub(super) struct Shard {
    /// Its number.
    index: usize,
    pub(super) table: Table,
    pub(super) time: ShardTime,
    /// Where the next scan begins.
    scan_position: usize,
    /// The number of new budgets so far.
    begun: u32,
}

/// A scan for expired entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// The number of places that were looked at.
    pub(super) looked: usize,
    /// The number of entries that were removed.
    pub(super) expired: usize,
    /// Whether the scan reached the end of the table.
    pub(super) reached_end: bool,
}

impl Shard {
    pub(super) fn new(index: usize) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    #[inline(always)]
    pub(super) fn find(&self, id: BudgetId, kind: Kind) -> Result<usize, usize> {
        self.table.find(id.tag(), kind)
    }

    /// The entry of a budget, expired or not.
    pub(super) fn get(&self, id: BudgetId, kind: Kind) -> Option<&Entry> {
        self.table.get(self.find(id, kind).ok()?)
    }

    /// The entry of a budget, expired or not.
    pub(super) fn get_mut(&mut self, id: BudgetId, kind: Kind) -> Option<&mut Entry> {
        let place = self.find(id, kind).ok()?;
        self.table.get_mut(place)
    }

    /// Inserts the entry of a budget that has none. Returns its place.
    pub(super) fn insert(&mut self, entry: Entry, place: Place<'_>) -> usize {
        let totals = place.occupy(self.index);
        if self.table.is_full() {
            let before = self.table.bytes();
            self.table.grow();
            totals.heap.take(self.table.bytes());
            totals.heap.release(before);
        }
        let (Ok(place) | Err(place)) = self.table.find(entry.tag, entry.kind());
        self.table.insert(place, entry);
        place
    }

    fn remove(&mut self, place: usize, totals: &Totals) {
        if let Some(entry) = self.table.get(place) {
            leave(entry, self.index, totals);
            self.table.remove(place);
        }
    }

    /// The memory by which one more entry makes the table grow.
    pub(super) fn growth(&self) -> usize {
        if self.table.is_full() {
            self.table.grown() * size_of::<Entry>() - self.table.bytes()
        } else {
            0
        }
    }

    /// Removes all entries of `id`. Returns the number of budgets that counted something: one for
    /// each strategy.
    pub(super) fn clear(&mut self, id: BudgetId, now: Ticks, totals: &Totals) -> u64 {
        let tag = id.tag();
        let mut strategies = [false; 4];
        let mut place = match self.table.find(tag, Kind::LOG) {
            Ok(first) | Err(first) => first,
        };
        // An entry of another kind may be before the place.
        while let Some(before) = place.checked_sub(1)
            && self.table.get(before).is_some_and(|entry| entry.tag == tag)
        {
            place = before;
        }
        while let Some(entry) = self.table.get(place)
            && entry.tag == tag
        {
            let number = usize::try_from(entry.kind().strategy_number()).unwrap_or(0);
            if entry.counts_at(now)
                && let Some(counted) = strategies.get_mut(number)
            {
                *counted = true;
            }
            self.remove(place, totals);
        }
        strategies.iter().map(|&counted| u64::from(counted)).sum()
    }

    /// Removes all entries.
    pub(super) fn reset(&mut self, totals: &Totals) {
        for entry in self.table.entries() {
            leave(entry, self.index, totals);
        }
        totals.heap.release(self.table.bytes());
        self.table = Table::default();
        self.scan_position = 0;
    }

    /// Whether this new budget has to scan for expired entries: one long scan costs less than
    /// several short ones.
    pub(super) fn is_turn_to_scan(&mut self, turns: u32) -> bool {
        self.begun = self.begun.wrapping_add(1);
        self.begun.is_multiple_of(turns)
    }

    /// Looks at the next `places` of the table and removes expired entries.
    pub(super) fn remove_expired(&mut self, now: Ticks, places: usize, totals: &Totals) -> Scan {
        let index = self.index;
        let (looked, expired) = self
            .table
            .remove_where(self.scan_position, places, |entry| {
                let has_expired = !entry.counts_at(now);
                if has_expired {
                    leave(entry, index, totals);
                }
                has_expired
            });
        self.scan_position += looked;
        let reached_end = self.scan_position >= self.table.places();
        if reached_end {
            self.scan_position = 0;
        }
        let scan = Scan {
            looked,
            expired,
            reached_end,
        };
        if scan.expired > 0 && self.table.is_sparse() {
            let before = self.table.bytes();
            // The scan goes on with the entries that it has not seen.
            self.scan_position = self.table.shrink(self.scan_position);
            totals.heap.release(before);
            totals.heap.take(self.table.bytes());
        }
        scan
    }

    /// Looks at the next `count` entries for one whose place a new key may take: an expired one,
    /// else the least used, if that has used at most half of each of its limits. None of `keep`.
    pub(super) fn find_removable(
        &self,
        now: Ticks,
        count: usize,
        keep: &[BudgetId],
    ) -> Option<Removable> {
        let mut least: Option<(u8, usize)> = None;
        let (mut seen, mut place) = (0, self.scan_position);
        for _ in 0..=self.table.places() {
            let Some(entry) = self.table.get(place) else {
                place = 0;
                continue;
            };
            if !entry.is_vacant()
                && !entry.is_shared()
                && keep.iter().all(|id| id.tag() != entry.tag)
            {
                if !entry.counts_at(now) {
                    let still_counts = false;
                    return Some(Removable {
                        place,
                        still_counts,
                    });
                }
                let fill = entry.fill();
                if entry.may_be_forgotten() && least.is_none_or(|(other, _)| fill < other) {
                    least = Some((fill, place));
                }
                seen += 1;
                if seen == count {
                    break;
                }
            }
            place += 1;
        }
        least.map(|(_, place)| Removable {
            place,
            still_counts: true,
        })
    }

    /// Removes the entry that was found. The next search begins behind it.
    pub(super) fn remove_found(&mut self, found: Removable, totals: &Totals) {
        self.scan_position = found.place;
        self.remove(found.place, totals);
    }

    /// The size of the tables and logs in bytes, by looking at each.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.log_bytes()
    }

    /// The size of the logs in bytes, beside the tables.
    #[cfg(test)]
    pub(super) fn log_bytes(&self) -> usize {
        self.table.entries().map(Entry::heap_bytes).sum()
    }
}

/// Subtracts an entry that is about to be removed from the totals.
fn leave(entry: &Entry, index: usize, totals: &Totals) {
    totals.heap.release(entry.heap_bytes());
    totals.vacate(index, entry.is_shared());
}

/// An entry whose place a new key may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removable {
    place: usize,
    /// Whether it has not expired.
    pub(super) still_counts: bool,
}
