//! Hash map of a shard: entries in one array, sorted by tag (ordered linear probing).
//!
//! An entry is stored at or after the place to which its tag is scaled, in sorted order, with
//! vacant places between. So a search ends at the first entry that is not smaller, growth is one
//! pass from front to back, and removal leaves no tombstone. Tags are hashes with a secret seed, so
//! an attacker cannot choose keys that crowd one place.

use super::{entry::Entry, kind::Kind};

/// Sorted entries. At most four in five places are in use.
#[derive(Debug, Default)]
pub(super) struct Table {
    places: Box<[Entry]>,
    /// The number of places that tags are scaled to. Further places hold entries pushed past the
    /// end.
    homes: usize,
    len: usize,
}

const LEAST: usize = 8;
/// A table with this many places grows by half, a smaller one by half twice at once, so that its
/// entries are moved half as often.
const LARGE: usize = 64;
const MOST_TAIL: usize = 128;

impl Table {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&Entry> {
        self.places.get(place)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Entry> {
        self.places.get_mut(place)
    }

    /// The place of this budget, or the place to insert it.
    #[inline(always)]
    pub(super) fn find(&self, tag: u64, kind: Kind) -> Result<usize, usize> {
        let mut place = home(tag, self.homes);
        while let Some(entry) = self.places.get(place) {
            if entry.tag >= tag {
                if entry.tag > tag {
                    return Err(place);
                }
                if entry.kind() == kind {
                    return Ok(place);
                }
            }
            place += 1;
        }
        Err(place)
    }

    /// Whether one more entry needs a larger table.
    pub(super) fn is_full(&self) -> bool {
        self.len >= self.homes - self.homes / 5
            || self.places.last().is_none_or(|entry| !entry.is_vacant())
    }

    /// Whether a much smaller table would do.
    pub(super) fn is_sparse(&self) -> bool {
        self.homes > LEAST && self.len < self.homes / 4
    }

    /// Inserts an entry at the place that [`find`](Self::find) returned. The table must not be
    /// full.
    pub(super) fn insert(&mut self, place: usize, entry: Entry) {
        let Some(rest) = self.places.get_mut(place..) else {
            return;
        };
        let Some(vacant) = rest.iter().position(Entry::is_vacant) else {
            return;
        };
        rest[..=vacant].rotate_right(1);
        rest[0] = entry;
        self.len += 1;
    }

    /// Removes an entry. The entries behind it move up where possible.
    pub(super) fn remove(&mut self, place: usize) {
        self.remove_where(place, 1, |_| true);
    }

    /// Removes entries of `count` places from `start` on, in one pass. Returns the number of places
    /// that were looked at, and of entries that were removed. `start` may be anywhere.
    pub(super) fn remove_where(
        &mut self,
        start: usize,
        count: usize,
        mut is_removed: impl FnMut(&Entry) -> bool,
    ) -> (usize, usize) {
        // The first place that an entry may move to: those before it are in use.
        let (mut free, mut place, mut removed) = (start, start, 0);
        while let Some(entry) = self.places.get(place) {
            let is_within = place - start < count;
            if !is_within && free == place {
                break;
            }
            if entry.is_vacant() {
                free = place + 1;
            } else if is_within && is_removed(entry) {
                self.places[place] = Entry::vacant();
                removed += 1;
            } else if free == place {
                // There is no gap before it.
                free += 1;
            } else {
                let to = home(entry.tag, self.homes).max(free);
                if to < place {
                    self.places.swap(to, place);
                }
                free = to.min(place) + 1;
            }
            place += 1;
        }
        self.len -= removed;
        (place - start, removed)
    }

    /// The number of places, vacant ones included.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The number of places after growth.
    pub(super) fn grown(&self) -> usize {
        places_of(self.grown_homes())
    }

    fn grown_homes(&self) -> usize {
        let by_half = self.homes + self.homes / 2;
        if self.homes < LARGE {
            by_half + by_half / 2
        } else {
            by_half
        }
    }

    /// Grows the table.
    #[cold]
    pub(super) fn grow(&mut self) {
        self.rebuild(self.grown_homes());
    }

    /// Shrinks the table to its entries, with some room to grow. Returns the place that has all
    /// entries at it or behind it that were at `place` or behind it.
    #[cold]
    pub(super) fn shrink(&mut self, place: usize) -> usize {
        if self.len == 0 {
            *self = Self::default();
            return 0;
        }
        let rest = self.places.get(place..).unwrap_or_default();
        let next = rest.iter().find(|entry| !entry.is_vacant());
        let tag = next.map(|entry| entry.tag);
        self.rebuild(self.len * 2);
        // Entries are in the order of their tags, and none is before its home.
        tag.map_or(self.places.len(), |tag| home(tag, self.homes))
    }

    /// The size in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.places)
    }

    /// The number of entries that a search for this tag visits after the first.
    #[cfg(test)]
    pub(super) fn distance(&self, tag: u64) -> usize {
        let (Ok(place) | Err(place)) = self.find(tag, Kind::LOG);
        place - home(tag, self.homes)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.places.iter().filter(|entry| !entry.is_vacant())
    }

    fn rebuild(&mut self, homes: usize) {
        let mut homes = homes.max(LEAST);
        while !self.fits(homes) {
            homes += homes / 2;
        }
        let mut places = Vec::new();
        places.resize_with(places_of(homes), Entry::vacant);
        let mut next = 0;
        for entry in self.places.iter_mut().filter(|entry| !entry.is_vacant()) {
            next = home(entry.tag, homes).max(next);
            if let Some(place) = places.get_mut(next) {
                std::mem::swap(place, entry);
            }
            next += 1;
        }
        self.places = places.into_boxed_slice();
        self.homes = homes;
    }

    /// Whether the entries fit a table of this size. The last place is kept vacant, or the table
    /// would be full at once.
    fn fits(&self, homes: usize) -> bool {
        let mut next = 0;
        for entry in self.entries() {
            next = home(entry.tag, homes).max(next) + 1;
        }
        next < places_of(homes)
    }
}

/// The number of places of a table.
fn places_of(homes: usize) -> usize {
    let homes = homes.max(LEAST);
    homes + (LEAST + homes / 8).min(MOST_TAIL)
}

/// Tags spread over places, in order.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's upper half is below `homes`"
)]
fn home(tag: u64, homes: usize) -> usize {
    ((u128::from(tag) * homes as u128) >> 64) as usize
}
