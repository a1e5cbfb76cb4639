//! The moving window (sliding-window log): no interval as long as the window, wherever it starts,
//! holds more than the count.
//!
//! The log holds one entry per request, whatever its cost: its time, and the running total up to
//! and including it. The units in a window are the difference of two totals, so any limit can be
//! read from one log, and a changed limit keeps its history. This is the "sliding window log" of
//! Cloudflare and Figma, with totals instead of one entry per unit.
//!
//! A hit has the time of the *end* of its tick, and leaves one window later. So rounding may count
//! it for longer, by less than a tick, and never for less time.
//!
//! While all hits are single units, the usual case, the total follows from the index of an entry,
//! and only times are stored.
//!
//! Times and totals have 32 bits and are compared by differences, which survive wrap-around; 64
//! bits if 32 do not suffice.

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
