//! A log as a list of hits, for a store that keeps it outside of this process.

use super::{
    log::Log,
    merge::HitList,
    query::Query,
    ticks::{Now, Scale},
};
use smallvec::SmallVec;

/// The hits of a log, and the scale of its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSnapshot {
    /// A tick is 2^`shift` microseconds.
    pub(crate) shift: u8,
    /// The longest window, in ticks.
    pub(crate) horizon: u32,
    /// Whether hits may have been merged since the log was empty.
    pub(crate) has_merged: bool,
    /// The time in ticks and the units of each hit, oldest first.
    pub(crate) hits: SmallVec<[(u64, u64); 12]>,
}

impl Log {
    /// The longest window, in microseconds.
    pub(crate) fn longest_window(&self) -> u64 {
        let Scale { shift, horizon } = self.scale();
        u64::from(horizon) << shift
    }

    /// The hits that count at the microsecond `micros`.
    pub(crate) fn snapshot(&self, micros: u64) -> LogSnapshot {
        let Scale { shift, horizon } = self.scale();
        let now = Now::new(micros, shift);
        let hits = self.hits(now).into_iter();
        LogSnapshot {
            shift,
            horizon,
            has_merged: self.has_merged(),
            hits: hits
                .map(|(at, units)| (now.end_of(at, 0) >> shift, units))
                .collect(),
        }
    }

    /// The log at the microsecond `micros`, and when nothing of it counts any more. Hits in the
    /// future become hits of now.
    pub(crate) fn restore(snapshot: &LogSnapshot, micros: u64, query: &Query<'_>) -> (Self, u64) {
        let &LogSnapshot { shift, horizon, .. } = snapshot;
        let now = Now::new(micros, shift);
        let lifetime = u64::from(horizon) << shift;
        let hits = snapshot.hits.iter().filter_map(|&(tick, units)| {
            let at = tick << shift;
            let counts = at.saturating_add(lifetime) > micros;
            counts.then(|| (now.stamp_of(at).unwrap_or(now.stamp), units))
        });
        let hits: HitList = hits.collect();
        let mut log = Self::empty(Scale { shift, horizon });
        log.replace(&hits, snapshot.has_merged, query);
        let expires_at = hits.last().map_or(0, |&(at, _)| now.end_of(at, horizon));
        (log, expires_at)
    }
}
