//! A log, writable: a ring of hits in a borrowed buffer.

use super::{
    entry::{Entry, Hit, Stamp, Total, partition},
    merge::Resolution,
    ring_range::RingRange,
};

/// The buffer has no room for one more hit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A writable log.
#[derive(Debug)]
pub(crate) struct Log<'a, E> {
    /// The ring buffer.
    pub(crate) hits: &'a mut [E],
    /// The used part of the buffer.
    pub(crate) shape: RingRange,
}

impl<E: Entry> Log<'_, E> {
    /// Removes hits that are `horizon` ticks or more older than `stamp`.
    pub(crate) fn forget(&mut self, stamp: E::Stamp, horizon: u64) {
        while self.shape.len > 0 {
            let oldest = self.hit(0);
            if oldest.at().until(stamp) < horizon {
                break;
            }
            self.shape = RingRange {
                head: u32::try_from(self.shape.place(1, self.hits.len())).unwrap_or(0),
                len: self.shape.len - 1,
                base: oldest.base(),
            };
        }
        if self.shape.len == 0 {
            self.shape.head = 0;
        }
    }

    /// Appends a hit unchanged.
    ///
    /// # Errors
    /// If the buffer has no room.
    #[inline]
    pub(crate) fn append(&mut self, hit: E) -> Result<(), Full> {
        let index = self.shape.len;
        if index as usize == self.hits.len() {
            return Err(Full);
        }
        self.shape.len += 1;
        *self.hit_mut(index) = hit;
        Ok(())
    }

    /// The oldest hit; unspecified if the log is empty.
    pub(crate) fn oldest(&self) -> E {
        self.hit(0)
    }

    /// The newest hit.
    #[inline]
    pub(crate) fn newest(&self) -> Option<E> {
        let last = self.shape.len.checked_sub(1)?;
        Some(self.hit(last))
    }

    /// Copies the hits to the beginning of `to`, which must be large enough, and returns their
    /// range.
    pub(crate) fn copy_to(&self, to: &mut [E]) -> RingRange {
        for (index, place) in (0..self.shape.len).zip(to) {
            *place = self.hit(index);
        }
        RingRange {
            head: 0,
            ..self.shape
        }
    }

    /// Copies the hits, with their totals, to the beginning of `to`, which must be large enough.
    pub(crate) fn weigh(&self, to: &mut [Hit<E::Stamp>]) -> RingRange {
        for (index, place) in (0..self.shape.len).zip(to) {
            let hit = self.hit(index);
            *place = Hit {
                at: hit.at(),
                total: <E::Stamp as Stamp>::Total::low(hit.total(index)),
            };
        }
        RingRange {
            head: 0,
            ..self.shape
        }
    }

    fn hit(&self, index: u32) -> E {
        let place = self.shape.place(index, self.hits.len());
        self.hits.get(place).copied().unwrap_or_default()
    }

    fn hit_mut(&mut self, index: u32) -> &mut E {
        let place = self.shape.place(index, self.hits.len());
        &mut self.hits[place]
    }
}

impl<T: Stamp> Log<'_, Hit<T>> {
    /// Records `cost` at `stamp`, or at the newest hit if that has a later (rounded up) time.
    ///
    /// # Errors
    /// If the buffer has no room. Nothing is recorded then.
    #[inline]
    pub(crate) fn push(&mut self, stamp: T, cost: u64) -> Result<(), Full> {
        let newest = self.newest();
        let index = match newest {
            Some(newest) if newest.at.until(stamp) == 0 => self.shape.len - 1,
            _ if self.shape.len as usize == self.hits.len() => return Err(Full),
            _ => {
                self.shape.len += 1;
                self.shape.len - 1
            }
        };
        let before = newest.map_or(self.shape.base, |newest| newest.total.get());
        let held = T::Total::since(before, self.shape.base);
        if cost > T::Total::MAX - held {
            self.drop_oldest(cost - (T::Total::MAX - held), index);
        }
        let hit = self.hit_mut(index);
        hit.total = T::Total::low(before.wrapping_add(cost));
        if newest.is_none_or(|newest| newest.at.until(stamp) > 0) {
            hit.at = stamp;
        }
        Ok(())
    }

    /// Makes room for one more hit by merging hits that are as close to each other as `resolution`
    /// allows. They merge to the later time, so a hit may count for longer, and never for less
    /// time.
    ///
    /// `now` is the current tick, and `stamp` is `ahead` ticks later.
    pub(crate) fn merge(&mut self, stamp: T, now: u64, ahead: u64, resolution: &Resolution) {
        let len = self.shape.len;
        let age = |log: &Self, index| log.hit(index).at.until(stamp).saturating_sub(ahead);
        if let (Some(last), Some(before)) = (len.checked_sub(1), len.checked_sub(2))
            && let Some(crowded) = last.checked_sub(resolution.entries())
            && age(self, crowded) < resolution.shortest()
            && resolution.merges_young(now, age(self, before), age(self, last))
        {
            *self.hit_mut(before) = self.hit(last);
            self.shape.len = last;
            return;
        }
        let mut kept = 0;
        let mut start = 0;
        for segment in resolution.oldest_first() {
            let end = start
                + partition(len - start, |index| {
                    age(self, start + index) >= segment.youngest
                });
            let crowded = end - start > resolution.entries();
            for index in start..end {
                let later = index + 1;
                let merges = crowded
                    && later < end
                    && segment.merges(now, age(self, index), age(self, later));
                if !merges {
                    *self.hit_mut(kept) = self.hit(index);
                    kept += 1;
                }
            }
            start = end;
        }
        self.shape.len = kept;
        if kept == len {
            self.halve();
        }
    }

    /// Refunds up to `cost` units of the hit that is `age` ticks older than the newest, or of the
    /// hit it was merged into.
    pub(crate) fn refund(&mut self, age: u64, cost: u64) {
        let Some(last) = self.shape.len.checked_sub(1) else {
            return;
        };
        let newest = self.hit(last).at;
        let index = partition(last, |index| self.hit(index).at.until(newest) > age);
        let before = match index.checked_sub(1) {
            Some(before) => self.hit(before).total.get(),
            // It is unknown whether a hit before the first one was merged or removed; a removed
            // one is not refunded.
            None if self.hit(0).at.until(newest) != age => return,
            None => self.shape.base,
        };
        let held = T::Total::since(self.hit(index).total.get(), before);
        let units = cost.min(held);
        for index in index..=last {
            let hit = self.hit_mut(index);
            hit.total = T::Total::low(hit.total.get().wrapping_sub(units));
        }
    }

    /// Merges every second hit into the next one.
    #[cold]
    fn halve(&mut self) {
        let len = self.shape.len;
        let mut kept = 0;
        for index in (0..len).filter(|index| index % 2 == (len + 1) % 2) {
            *self.hit_mut(kept) = self.hit(index);
            kept += 1;
        }
        self.shape.len = kept;
    }

    /// Removes `units` from the oldest hits: a total cannot represent more.
    #[cold]
    fn drop_oldest(&mut self, units: u64, len: u32) {
        let base = self.shape.base;
        let raised = base.wrapping_add(units);
        for index in 0..len {
            let hit = self.hit_mut(index);
            if T::Total::since(hit.total.get(), base) < units {
                hit.total = T::Total::low(raised);
            }
        }
        self.shape.base = T::Total::low(raised).get();
    }
}
