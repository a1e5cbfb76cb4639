//! What a log is asked.

use super::{heap::HeapBudget, ticks::Scale};
use limit_core::Limit;

/// A request of some cost under all limits of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    /// The limits, all of which must allow the request.
    pub(crate) limits: &'a [Limit],
    /// The units that the request consumes.
    pub(crate) cost: u64,
    /// Whether to record the request.
    pub(crate) record: Record,
    /// The number of hits in each window up to which the log is exact.
    pub(crate) entries: u32,
    /// The scale of the limits.
    pub(crate) scale: Scale,
    /// The memory that rings may take.
    pub(crate) heap: &'a HeapBudget,
}

/// Whether a request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// If all limits allow it.
    IfAllowed,
    /// Not at all.
    Never,
    /// Even if a limit refuses it.
    Always,
}

impl Query<'_> {
    /// The number of hits that the limits can admit.
    fn useful(&self) -> usize {
        let counts = self.limits.iter().map(|limit| limit.count().get());
        usize::try_from(counts.max().unwrap_or(1)).unwrap_or(usize::MAX)
    }

    /// The size of a ring for `len` hits and some more: twice as many, or 1.5 times if they are
    /// many, but no more than the limits can use.
    pub(super) fn capacity_for(&self, len: usize, most: usize) -> usize {
        let more = if len < 32 { len } else { len / 2 };
        let roomy = (len + more).max(4);
        roomy.min(self.useful()).min(most).max(len)
    }
}
