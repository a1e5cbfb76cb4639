//! The logs that have outgrown their cells.

use crate::window::moving::Hit;

/// Buffers by number. A buffer is its own allocation; the places are reused.
#[derive(Debug)]
pub(super) struct Slab<T> {
    buffers: Vec<Box<[Hit<T>]>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            buffers: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T: Copy + Default> Slab<T> {
    pub(super) fn get(&self, slot: u32) -> &[Hit<T>] {
        self.buffers.get(slot as usize).map_or(&[], |buffer| buffer)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut [Hit<T>] {
        self.buffers
            .get_mut(slot as usize)
            .map_or(&mut [], |buffer| buffer)
    }

    pub(super) fn insert(&mut self, buffer: Box<[Hit<T>]>) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.buffers[slot as usize] = buffer;
            return slot;
        }
        if self.buffers.len() == self.buffers.capacity() {
            // By a quarter: a place is small, but there may be one for each key.
            self.buffers.reserve_exact(self.buffers.len() / 4 + 4);
        }
        self.buffers.push(buffer);
        u32::try_from(self.buffers.len() - 1).unwrap_or(u32::MAX)
    }

    /// Puts `buffer` in the place of the one that was there.
    pub(super) fn replace(&mut self, slot: u32, buffer: Box<[Hit<T>]>) {
        if let Some(place) = self.buffers.get_mut(slot as usize) {
            *place = buffer;
        }
    }

    /// What all of it takes at present.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let places = self.buffers.capacity() * size_of::<Box<[Hit<T>]>>();
        let hits: usize = self.buffers.iter().map(|buffer| buffer.len()).sum();
        places + hits * size_of::<Hit<T>>() + self.free.capacity() * size_of::<u32>()
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.replace(slot, Box::default());
        self.free.push(slot);
        if self.free.len() == self.buffers.len() {
            *self = Self::default();
        }
    }
}

/// A buffer of this many places.
pub(super) fn buffer<T: Copy + Default>(len: usize) -> Box<[Hit<T>]> {
    vec![Hit::default(); len].into_boxed_slice()
}
