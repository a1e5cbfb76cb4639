//! The logs that have outgrown their cells.
//!
//! Rings of one size lie side by side in chunks, so that a ring is found through a few small tables that stay in
//! the processor's caches, and only the ring itself has to be fetched from memory. A chunk that holds no
//! ring any more is given back.

use crate::window::moving::{Entry, Log, Shape};

/// Rings by number.
#[derive(Debug)]
pub(super) struct Slab<E> {
    classes: Vec<Class<E>>,
}

/// All rings of one size.
#[derive(Debug)]
struct Class<E> {
    size: usize,
    /// There are two to this power rings in a chunk.
    shift: u32,
    chunks: Vec<Chunk<E>>,
    /// No chunk before this one has room.
    room: usize,
}

#[derive(Debug)]
struct Chunk<E> {
    /// Empty while no ring is taken.
    hits: Box<[E]>,
    /// A bit for each ring.
    taken: u64,
}

/// About so many bytes lie together: few, so that they are given back soon.
const CHUNK: usize = 8_192;
/// As many as there are bits.
const MOST_RINGS: usize = 64;
/// The upper bits of a slot say the class, the lower ones the ring.
const CLASS_SHIFT: u32 = 22;

/// What size a ring of at least so many hits has: in steps of an eighth, so that there are few sizes.
pub(super) fn rounded(size: usize) -> usize {
    let step = (1_usize << size.max(8).ilog2()) / 8;
    size.max(1).next_multiple_of(step)
}

impl<E> Default for Slab<E> {
    fn default() -> Self {
        Self {
            classes: Vec::new(),
        }
    }
}

impl<E: Entry> Slab<E> {
    #[inline]
    pub(super) fn get(&self, slot: u32) -> &[E] {
        let (class, ring) = apart(slot);
        let ring = self.classes.get(class).and_then(|class| class.get(ring));
        ring.unwrap_or(&[])
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut [E] {
        let (class, ring) = apart(slot);
        let class = self.classes.get_mut(class);
        let ring = class.and_then(|class| class.get_mut(ring));
        ring.unwrap_or(&mut [])
    }

    /// A new ring of this size. Sizes are [rounded], or as large as a log may become, so that there are few.
    #[cold]
    pub(super) fn insert(&mut self, size: usize) -> u32 {
        let found = self.classes.iter().position(|class| class.size == size);
        let class = found.unwrap_or_else(|| {
            self.classes.push(Class::new(size));
            self.classes.len() - 1
        });
        together(class, self.classes[class].insert())
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let (class, ring) = apart(slot);
        if let Some(class) = self.classes.get_mut(class) {
            class.remove(ring);
        }
    }

    /// Moves the log of this shape to a ring of another size, and says which, and its shape there.
    #[cold]
    pub(super) fn resize(&mut self, slot: u32, shape: Shape, size: usize) -> (u32, Shape) {
        if self.get(slot).len() == size {
            return (slot, shape);
        }
        let to = self.insert(size);
        // Out of its chunk while it is copied: the two lie in different ones.
        let (class, ring) = apart(slot);
        let mut chunk = self
            .classes
            .get_mut(class)
            .and_then(|class| class.chunk_mut(ring))
            .map(|chunk| std::mem::take(&mut chunk.hits));
        let from = chunk.as_deref_mut().and_then(|hits| {
            let place = self.classes.get(class)?.place(ring);
            hits.get_mut(place)
        });
        let shape = Log {
            hits: from.unwrap_or(&mut []),
            shape,
        }
        .copy_to(self.get_mut(to));
        let home = self
            .classes
            .get_mut(class)
            .and_then(|class| class.chunk_mut(ring));
        if let (Some(home), Some(chunk)) = (home, chunk) {
            home.hits = chunk;
        }
        self.remove(slot);
        (to, shape)
    }

    /// Whether these are the rings that are taken, each once, and all others are given back.
    #[cfg(test)]
    pub(super) fn assert_holds(&self, mut slots: Vec<u32>) {
        assert!(self.classes.len() < 128, "{} sizes", self.classes.len());
        let all = slots.len();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), all, "two logs in one ring");
        let chunks = self.classes.iter().flat_map(|class| &class.chunks);
        let taken: u32 = chunks.clone().map(|chunk| chunk.taken.count_ones()).sum();
        assert_eq!(taken as usize, all, "a ring without a log, or freed twice");
        for chunk in chunks {
            assert_eq!(chunk.taken == 0, chunk.hits.is_empty());
        }
        assert!(slots.iter().all(|&slot| !self.get(slot).is_empty()));
    }

    /// What all of it takes at present.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let classes = self.classes.iter().map(|class| {
            let hits: usize = class.chunks.iter().map(|chunk| chunk.hits.len()).sum();
            hits * size_of::<E>() + class.chunks.capacity() * size_of::<Chunk<E>>()
        });
        classes.sum::<usize>() + self.classes.capacity() * size_of::<Class<E>>()
    }
}

impl<E: Entry> Class<E> {
    fn new(size: usize) -> Self {
        let rings = (CHUNK / (size.max(1) * size_of::<E>())).clamp(1, MOST_RINGS);
        Self {
            size,
            shift: rings.ilog2(),
            chunks: Vec::new(),
            room: 0,
        }
    }

    #[inline]
    fn get(&self, ring: usize) -> Option<&[E]> {
        let chunk = self.chunks.get(ring >> self.shift)?;
        chunk.hits.get(self.place(ring))
    }

    #[inline]
    fn get_mut(&mut self, ring: usize) -> Option<&mut [E]> {
        let place = self.place(ring);
        self.chunk_mut(ring)?.hits.get_mut(place)
    }

    #[inline]
    fn chunk_mut(&mut self, ring: usize) -> Option<&mut Chunk<E>> {
        self.chunks.get_mut(ring >> self.shift)
    }

    /// Where in its chunk a ring lies.
    #[inline]
    fn place(&self, ring: usize) -> std::ops::Range<usize> {
        let start = (ring & ((1 << self.shift) - 1)) * self.size;
        start..start + self.size
    }

    fn insert(&mut self) -> usize {
        let all = u64::MAX >> (MOST_RINGS - (1 << self.shift));
        let room = self.chunks[self.room..]
            .iter()
            .position(|chunk| chunk.taken != all);
        self.room = room.map_or(self.chunks.len(), |room| self.room + room);
        if self.room == self.chunks.len() {
            // By a quarter: there may be many of them.
            if self.chunks.len() == self.chunks.capacity() {
                self.chunks.reserve_exact(self.chunks.len() / 4 + 1);
            }
            self.chunks.push(Chunk {
                hits: Box::default(),
                taken: 0,
            });
        }
        let hits = self.size << self.shift;
        let chunk = &mut self.chunks[self.room];
        if chunk.taken == 0 {
            chunk.hits = vec![E::default(); hits].into_boxed_slice();
        }
        let ring = chunk.taken.trailing_ones();
        chunk.taken |= 1 << ring;
        (self.room << self.shift) + ring as usize
    }

    fn remove(&mut self, ring: usize) {
        let (index, bit) = (ring >> self.shift, ring & ((1 << self.shift) - 1));
        let Some(chunk) = self.chunks.get_mut(index) else {
            return;
        };
        chunk.taken &= !(1 << bit);
        if chunk.taken == 0 {
            chunk.hits = Box::default();
        }
        self.room = self.room.min(index);
        while self.chunks.last().is_some_and(|chunk| chunk.taken == 0) {
            self.chunks.pop();
        }
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
        }
        self.room = self.room.min(self.chunks.len());
    }
}

fn apart(slot: u32) -> (usize, usize) {
    let ring = slot & ((1 << CLASS_SHIFT) - 1);
    ((slot >> CLASS_SHIFT) as usize, ring as usize)
}

fn together(class: usize, ring: usize) -> u32 {
    debug_assert!(class >> (u32::BITS - CLASS_SHIFT) == 0, "too many sizes");
    u32::try_from(class << CLASS_SHIFT | ring).unwrap_or(u32::MAX)
}
