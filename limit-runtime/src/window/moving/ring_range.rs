//! The part of a ring buffer that a log uses.

/// The part of a ring buffer that a log uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RingRange {
    /// The position of the oldest hit.
    pub(crate) head: u32,
    /// The number of hits.
    pub(crate) len: u32,
    /// The running total before the oldest hit.
    pub(crate) base: u64,
}

impl RingRange {
    /// The position of the hit with this index in a buffer of this size.
    #[inline]
    pub(crate) fn place(self, index: u32, size: usize) -> usize {
        let place = self.head as usize + index as usize;
        if place < size { place } else { place - size }
    }
}
