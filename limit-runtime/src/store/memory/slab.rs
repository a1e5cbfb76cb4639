//! Slab allocator for the rings of logs that have outgrown their cells.
//!
//! Rings of one size are stored together in chunks. The table of chunks is small enough for the CPU
//! caches, so only the ring itself is fetched from memory. A chunk without rings is freed.

use crate::window::moving::{Entry, Log, RingRange};
use std::{mem, ops::Range};

/// Rings by number.
#[derive(Debug)]
pub(super) struct Slab<E> {
    chunks: Vec<Chunk<E>>,
    classes: Vec<Class>,
    /// The free numbers of chunks that were freed.
    vacant: Vec<u32>,
}

/// Rings of one size in one allocation.
#[derive(Debug)]
struct Chunk<E> {
    /// Empty while no ring is taken.
    hits: Box<[E]>,
    /// The size of each ring.
    size: u32,
    class: u32,
    /// A bit for each ring.
    taken: u64,
}

/// A size of rings.
#[derive(Debug)]
struct Class {
    size: usize,
    /// The chunks that hold rings of this size and have room for another.
    roomy: Vec<u32>,
}

/// The approximate size of a chunk in bytes: small, so that it becomes empty and is freed soon.
const CHUNK: usize = 8_192;
/// As many as there are bits.
const MOST_RINGS: usize = 64;
/// The lower bits of a slot say which ring of its chunk.
const RING_BITS: u32 = MOST_RINGS.ilog2();

/// Rounds a ring's size up, in steps of an eighth, so that there are few different sizes.
pub(super) fn rounded(size: usize) -> usize {
    let step = (1_usize << size.max(8).ilog2()) / 8;
    size.max(1).next_multiple_of(step)
}

impl<E> Default for Slab<E> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            classes: Vec::new(),
            vacant: Vec::new(),
        }
    }
}

impl<E: Entry> Slab<E> {
    #[inline]
    pub(super) fn get(&self, slot: u32) -> &[E] {
        let (number, ring) = apart(slot);
        let chunk = self.chunks.get(number);
        let hits = chunk.and_then(|chunk| chunk.hits.get(chunk.place(ring)));
        hits.unwrap_or(&[])
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut [E] {
        let (number, ring) = apart(slot);
        let hits = self.chunks.get_mut(number).and_then(|chunk| {
            let place = chunk.place(ring);
            chunk.hits.get_mut(place)
        });
        hits.unwrap_or(&mut [])
    }

    /// A new ring of this size. Sizes are [rounded], or the maximum of a log.
    #[cold]
    pub(super) fn insert(&mut self, size: usize) -> u32 {
        let found = self.classes.iter().position(|class| class.size == size);
        let class = found.unwrap_or_else(|| {
            let roomy = Vec::new();
            self.classes.push(Class { size, roomy });
            self.classes.len() - 1
        });
        let number = match self.classes[class].roomy.last() {
            Some(&number) => number,
            None => self.begin_chunk(class),
        };
        let chunk = &mut self.chunks[number as usize];
        let ring = chunk.taken.trailing_ones();
        chunk.taken |= 1 << ring;
        if chunk.taken == full(size, size_of::<E>()) {
            self.classes[class].roomy.pop();
        }
        number << RING_BITS | ring
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let (number, ring) = apart(slot);
        let Some(chunk) = self.chunks.get_mut(number) else {
            return;
        };
        let was_full = chunk.taken == full(chunk.size as usize, size_of::<E>());
        chunk.taken &= !(1 << ring);
        let roomy = match self.classes.get_mut(chunk.class as usize) {
            Some(class) => &mut class.roomy,
            None => return,
        };
        if chunk.taken > 0 {
            if was_full {
                roomy.push(slot >> RING_BITS);
            }
            return;
        }
        chunk.hits = Box::default();
        if !was_full {
            roomy.retain(|&other| other != slot >> RING_BITS);
        }
        self.vacant.push(slot >> RING_BITS);
        if self.vacant.len() == self.chunks.len() {
            *self = Self::default();
        }
    }

    /// Moves the log of this shape to a ring of another size. Returns the ring and the new shape.
    #[cold]
    pub(super) fn resize(&mut self, slot: u32, shape: RingRange, size: usize) -> (u32, RingRange) {
        if self.get(slot).len() == size {
            return (slot, shape);
        }
        let to = self.insert(size);
        // Taken out of the table during the copy: the two rings are in different chunks.
        let (number, ring) = apart(slot);
        let Some(chunk) = self.chunks.get_mut(number) else {
            return (to, shape);
        };
        let (mut hits, place) = (mem::take(&mut chunk.hits), chunk.place(ring));
        let hits_there = hits.get_mut(place).unwrap_or(&mut []);
        let log = Log {
            hits: hits_there,
            shape,
        };
        let shape = log.copy_to(self.get_mut(to));
        if let Some(chunk) = self.chunks.get_mut(number) {
            chunk.hits = hits;
        }
        self.remove(slot);
        (to, shape)
    }

    /// A chunk without rings for this class.
    fn begin_chunk(&mut self, class: usize) -> u32 {
        let size = self.classes[class].size;
        let chunk = Chunk {
            hits: vec![E::default(); size * rings(size, size_of::<E>())].into_boxed_slice(),
            size: to_u32(size),
            class: to_u32(class),
            taken: 0,
        };
        let number = match self.vacant.pop() {
            Some(number) => {
                self.chunks[number as usize] = chunk;
                number
            }
            None => {
                // By a quarter: there may be many of them.
                if self.chunks.len() == self.chunks.capacity() {
                    self.chunks.reserve_exact(self.chunks.len() / 4 + 1);
                }
                self.chunks.push(chunk);
                to_u32(self.chunks.len() - 1)
            }
        };
        self.classes[class].roomy.push(number);
        number
    }

    /// Whether exactly these rings are in use, each once.
    #[cfg(test)]
    pub(super) fn assert_holds(&self, mut slots: Vec<u32>) {
        assert!(self.classes.len() < 128, "{} sizes", self.classes.len());
        let all = slots.len();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), all, "two logs in one ring");
        let taken: u32 = self
            .chunks
            .iter()
            .map(|chunk| chunk.taken.count_ones())
            .sum();
        assert_eq!(taken as usize, all, "a ring without a log, or freed twice");
        for (chunk, number) in self.chunks.iter().zip(0..) {
            assert_eq!(chunk.taken == 0, chunk.hits.is_empty());
            assert_eq!(chunk.taken == 0, self.vacant.contains(&number));
            let class = &self.classes[chunk.class as usize];
            let is_full = chunk.taken == full(class.size, size_of::<E>());
            let is_roomy = !is_full && chunk.taken > 0;
            let count = class.roomy.iter().filter(|&&other| other == number).count();
            assert_eq!(count, usize::from(is_roomy));
        }
        assert!(slots.iter().all(|&slot| !self.get(slot).is_empty()));
    }

    /// The size in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let hits: usize = self.chunks.iter().map(|chunk| chunk.hits.len()).sum();
        let roomy = self.classes.iter().map(|class| class.roomy.capacity());
        hits * size_of::<E>()
            + self.chunks.capacity() * size_of::<Chunk<E>>()
            + self.classes.capacity() * size_of::<Class>()
            + (self.vacant.capacity() + roomy.sum::<usize>()) * size_of::<u32>()
    }
}

impl<E> Chunk<E> {
    /// The position of a ring.
    #[inline]
    fn place(&self, ring: usize) -> Range<usize> {
        let size = self.size as usize;
        ring * size..(ring + 1) * size
    }
}

/// The number of rings in a chunk, from hits per ring and bytes per hit.
fn rings(size: usize, bytes: usize) -> usize {
    (CHUNK / (size.max(1) * bytes)).clamp(1, MOST_RINGS)
}

/// The bits of a chunk of which all rings are taken.
fn full(size: usize, bytes: usize) -> u64 {
    u64::MAX >> (MOST_RINGS - rings(size, bytes))
}

#[inline]
fn apart(slot: u32) -> (usize, usize) {
    let ring = slot & ((1 << RING_BITS) - 1);
    ((slot >> RING_BITS) as usize, ring as usize)
}

/// A shard has some thousand budgets, so that its chunks, sizes and logs are far below this.
fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
