//! The moving window as a log: no interval of length T, wherever it starts, admits more than N
//! units.
//!
//! Worst case: N in any interval of length T. Times are rounded up to [ticks], and beyond B hits
//! [merged](merge), both to a later time. So a hit may count for a little longer than T, and never
//! for less.
//!
//! A log has the least memory that its hits need: [up to ten](inline) hits of one unit, or three of
//! any cost, are in the log itself; more are in a [ring](ring) of 4 bytes each while all are single
//! units, of 8 bytes once they have totals, and of 12 once the totals exceed 32 bits.
//! [`log`](self::log) decides and records, in one function for all encodings and for any number of
//! limits.

mod encoding;
mod heap;
mod hit;
mod inline;
mod log;
mod merge;
mod query;
mod refund;
mod ring;
#[cfg(feature = "memcached")]
mod snapshot;
mod ticks;
mod usage;

#[cfg(feature = "memcached")]
pub(crate) use self::snapshot::LogSnapshot;
pub(crate) use self::{
    heap::HeapBudget,
    log::Log,
    merge::MAX_ENTRIES,
    query::{Query, Record},
    ticks::{END_OF_TIME, Scale},
    usage::{OVER_HALF, fill},
};
