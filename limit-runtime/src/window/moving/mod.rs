//! The moving window: no interval of the window's length, wherever it starts, holds more than the
//! count.
//!
//! The log holds one entry per request whatever its cost: when it was, and the running total up to
//! and including it. What a window holds is the difference of two totals, so any limit can be read
//! from the same log, and a limit that changes keeps its history. After Cloudflare's and Figma's
//! "sliding window log", with totals in place of one entry per unit.
//!
//! A hit is stamped with the *end* of the tick it came in, and has left once a whole window has
//! passed since: rounding may count it longer, by less than a tick, and never shorter.
//!
//! Where every hit is one unit, which is the most usual, its place in the log says the total, and
//! only the time is kept.
//!
//! Times and totals are kept in 32 bits and compared by their differences, which survive
//! wrap-around; in 64 bits where 32 do not suffice.

mod entry;
mod log;
mod merge;
mod ring_range;
mod view;

pub(crate) use self::{
    entry::{Coarse, Entry, Fine, Hit, Narrow, Stamp, Total, partition},
    log::{Full, Log},
    merge::{MAX_ENTRIES, Resolution, grid},
    ring_range::RingRange,
    view::View,
};
