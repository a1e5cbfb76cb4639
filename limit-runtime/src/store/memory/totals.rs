//! The places and the memory that all shards take together.

use crate::window::moving::HeapBudget;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts places and memory against their maxima.
#[derive(Debug)]
pub(super) struct Totals {
    places: AtomicUsize,
    /// The places of shared budgets, which are beyond the maximum.
    shared_places: AtomicUsize,
    max_places: usize,
    /// The number of entries of each shard, to be read without its lock.
    shards: Box<[AtomicUsize]>,
    pub(super) heap: HeapBudget,
}

/// A place for one more entry. It is free again if it is dropped before it is occupied.
#[derive(Debug)]
pub(super) struct Place<'a> {
    totals: &'a Totals,
    is_shared: bool,
    is_occupied: bool,
}

impl Totals {
    pub(super) fn new(max_places: usize, shards: usize, heap: HeapBudget) -> Self {
        Self {
            places: AtomicUsize::new(0),
            shared_places: AtomicUsize::new(0),
            max_places,
            shards: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
            heap,
        }
    }

    /// The number of places that are taken, including those of shared budgets.
    pub(super) fn places(&self) -> usize {
        self.places.load(Ordering::Relaxed) + self.shared_places.load(Ordering::Relaxed)
    }

    /// Whether there is no place, or no memory, for one more entry.
    pub(super) fn is_full(&self) -> bool {
        self.places.load(Ordering::Relaxed) >= self.max_places || self.heap.is_exceeded()
    }

    /// Takes a place, unless all are taken or the memory is, or there is no memory for `growth`
    /// more bytes.
    #[inline]
    pub(super) fn take_place(&self, growth: usize) -> Option<Place<'_>> {
        if self.heap.is_exceeded() {
            return None;
        }
        self.take_place_of_removed(growth)
    }

    /// As [`take_place`](Self::take_place), after another entry was removed from the same table,
    /// whose memory the new one takes.
    pub(super) fn take_place_of_removed(&self, growth: usize) -> Option<Place<'_>> {
        let is_within = self.places.fetch_add(1, Ordering::Relaxed) < self.max_places;
        let place = Place {
            totals: self,
            is_shared: false,
            is_occupied: false,
        };
        (is_within && (growth == 0 || growth <= self.heap.room())).then_some(place)
    }

    /// Takes a place beyond the maximum, for a shared budget.
    #[inline]
    pub(super) fn take_shared_place(&self) -> Place<'_> {
        self.shared_places.fetch_add(1, Ordering::Relaxed);
        Place {
            totals: self,
            is_shared: true,
            is_occupied: false,
        }
    }

    /// Frees the place of an entry that was removed from a shard.
    pub(super) fn vacate(&self, shard: usize, is_shared: bool) {
        self.free(is_shared);
        if let Some(entries) = self.shards.get(shard) {
            entries.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn free(&self, is_shared: bool) {
        let places = if is_shared {
            &self.shared_places
        } else {
            &self.places
        };
        places.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a shard has no entries.
    pub(super) fn is_empty(&self, shard: usize) -> bool {
        self.shards
            .get(shard)
            .is_none_or(|entries| entries.load(Ordering::Relaxed) == 0)
    }
}

impl<'a> Place<'a> {
    /// Gives the place to an entry of a shard, which frees it when it is removed.
    #[inline]
    pub(super) fn occupy(mut self, shard: usize) -> &'a Totals {
        self.is_occupied = true;
        if let Some(entries) = self.totals.shards.get(shard) {
            entries.fetch_add(1, Ordering::Relaxed);
        }
        self.totals
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_occupied {
            self.totals.free(self.is_shared);
        }
    }
}
