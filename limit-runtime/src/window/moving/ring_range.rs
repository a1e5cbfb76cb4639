//! The part of a ring buffer that a log uses.

/// Which part of a buffer is a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RingRange {
    /// Where the oldest hit lies.
    pub(crate) head: u32,
    /// How many hits there are.
    pub(crate) len: u32,
    /// The running total before the oldest hit.
    pub(crate) base: u64,
}

impl RingRange {
    /// Where the hit of this index lies in a buffer of this size.
    #[inline]
    pub(crate) fn place(self, index: u32, size: usize) -> usize {
        let place = self.head as usize + index as usize;
        if place < size { place } else { place - size }
    }
}
