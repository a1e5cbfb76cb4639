//! The log of the moving window in an item. All that this store needs of `window::moving` is here.

use super::varint;
use crate::{
    clock::Ticks,
    decision::Outcome,
    window::{
        Checked,
        moving::{HeapBudget, Log, LogSnapshot, Query, Scale},
    },
};
use limit_core::{Limit, Limits, MAX_LIMITS};

pub(super) use crate::window::moving::{END_OF_TIME, Record};

/// The longest encoding, so that an item stays below 4 KB.
const MAX_BYTES: usize = 3_400;

/// Beside the length of a tick: hits may have been merged.
const HAS_MERGED: u8 = 1 << 7;

/// Makes room for more hits when a log is read.
const ROOMY: Limits = limit_core::limits!("999_999_999_999_999/ms");

/// The number of hits in each window up to which a log with this number of limits is exact. Its
/// hits then fit into [`MAX_BYTES`] with six bytes each, which is more than most need.
fn exact_hits(limits: usize) -> u32 {
    let hits = match limits {
        0 | 1 => 256,
        several => 1_152 / (4 * several + 1),
    };
    u32::try_from(hits).unwrap_or(u32::MAX)
}

/// The log of a budget.
#[derive(Debug)]
pub(super) struct LogState {
    log: Log,
    /// The microsecond from which nothing counts any more.
    expires_at: u64,
}

impl LogState {
    /// A log without hits.
    pub(super) fn empty(limits: &[Limit]) -> Self {
        Self {
            log: Log::empty(scale(limits)),
            expires_at: 0,
        }
    }

    /// Whether it counts anything.
    pub(super) fn counts_at(&self, now: Ticks) -> bool {
        self.expires_at > now.as_micros()
    }

    /// The time from which nothing counts any more.
    pub(super) fn expires_at(&self) -> Ticks {
        Ticks::from_micros(self.expires_at)
    }

    /// Decides on a charge of `cost`, records it if wanted, and calls `report` with the outcome of
    /// each limit.
    pub(super) fn check(
        &mut self,
        now: Ticks,
        limits: &[Limit],
        cost: u64,
        record: Record,
        mut report: impl FnMut(usize, Outcome),
    ) {
        if !self.counts_at(now) {
            *self = Self::empty(limits);
        }
        let heap = unbounded();
        let query = query(limits, cost, record, &heap);
        let now = now.as_micros();
        let checked: Checked<MAX_LIMITS> = self.log.check(now, &query, &mut self.expires_at);
        for (index, (&limit, parts)) in limits.iter().zip(checked.outcomes).enumerate() {
            report(index, Outcome::from_parts(limit, limit.count(), parts));
        }
    }

    /// Refunds `cost` units that were recorded at `at`.
    pub(super) fn refund(&mut self, now: Ticks, at: Ticks, limits: &[Limit], cost: u64) {
        if self.counts_at(now) {
            let (now, at) = (now.as_micros(), at.as_micros());
            let entries = exact_hits(limits.len());
            self.log
                .refund(now, at, cost, entries, &mut self.expires_at);
        }
    }

    /// Turns hits after `now` into hits of now. `latest` is the time of the newest hit or later.
    pub(super) fn end_future(&mut self, latest: Ticks, now: Ticks) {
        let snapshot = self.log.snapshot(latest.as_micros());
        *self = Self::restored(&snapshot, now);
    }

    /// The longest window, in microseconds.
    pub(super) fn longest_window(&self) -> u64 {
        self.log.longest_window()
    }

    /// Appends the hits that count at `now`.
    pub(super) fn write(&self, now: Ticks, out: &mut Vec<u8>) {
        let mut snapshot = self.log.snapshot(now.as_micros());
        while encoded_len(&snapshot) > MAX_BYTES {
            merge_older_half(&mut snapshot);
        }
        let flag = if snapshot.has_merged { HAS_MERGED } else { 0 };
        out.push(snapshot.shift | flag);
        varint::write(out, snapshot.horizon.into());
        varint::write(out, snapshot.hits.len() as u64);
        let mut before = 0;
        for &(tick, units) in &snapshot.hits {
            // The lowest bit says whether the units follow; otherwise, there is one.
            let pause = tick.saturating_sub(before) << 1;
            varint::write(out, pause | u64::from(units != 1));
            if units != 1 {
                varint::write(out, units);
            }
            before = tick;
        }
    }

    /// Reads a log at the time `now`. `None` if the bytes are invalid.
    pub(super) fn read(bytes: &mut &[u8], now: Ticks) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        let shift = first & !HAS_MERGED;
        let horizon = u32::try_from(varint::read(bytes)?).ok()?;
        // As `Scale` makes them: the end of a window fits into 64 bits.
        if shift > 31 || !(1..1 << 31).contains(&horizon) {
            return None;
        }
        let mut snapshot = LogSnapshot {
            shift,
            horizon,
            has_merged: first & HAS_MERGED != 0,
            hits: Default::default(),
        };
        let (mut tick, mut total) = (0_u64, 0_u64);
        for _ in 0..varint::read(bytes)? {
            let pause = varint::read(bytes)?;
            tick = tick.checked_add(pause >> 1)?;
            let units = if pause & 1 == 0 {
                1
            } else {
                varint::read(bytes)?
            };
            // The sum of all units fits into 64 bits as well.
            total = total.checked_add(units)?;
            if tick > (END_OF_TIME >> shift) + 1 {
                return None;
            }
            snapshot.hits.push((tick, units));
        }
        Some(Self::restored(&snapshot, now))
    }

    fn restored(snapshot: &LogSnapshot, now: Ticks) -> Self {
        let heap = unbounded();
        let query = query(ROOMY.as_slice(), 0, Record::Never, &heap);
        let (log, expires_at) = Log::restore(snapshot, now.as_micros(), &query);
        Self { log, expires_at }
    }
}

/// The scale of the longest window.
fn scale(limits: &[Limit]) -> Scale {
    let longest = limits.iter().max_by_key(|limit| limit.window_millis());
    longest.map_or_else(Scale::default, |&limit| Limits::single(limit).scale())
}

/// A log lives for one check only, so that its memory need not be counted.
fn unbounded() -> HeapBudget {
    HeapBudget::new(usize::MAX / 2)
}

fn query<'a>(limits: &'a [Limit], cost: u64, record: Record, heap: &'a HeapBudget) -> Query<'a> {
    Query {
        limits,
        cost,
        record: if cost == 0 { Record::Never } else { record },
        entries: exact_hits(limits.len()),
        scale: scale(limits),
        heap,
    }
}

fn encoded_len(snapshot: &LogSnapshot) -> usize {
    let mut before = 0;
    let hits = snapshot.hits.iter().map(|&(tick, units)| {
        let pause = tick.saturating_sub(before) << 1;
        before = tick;
        varint::len(pause) + if units == 1 { 0 } else { varint::len(units) }
    });
    hits.sum()
}

/// Merges pairs of the older half of the hits, each to the later time.
fn merge_older_half(snapshot: &mut LogSnapshot) {
    let hits = &snapshot.hits;
    let pairs = (hits.len() / 4).max(1) * 2;
    let (older, newer) = hits.split_at(pairs.min(hits.len()));
    let merged = older.chunks(2).filter_map(|pair| {
        let &(tick, _) = pair.last()?;
        Some((tick, pair.iter().map(|&(_, units)| units).sum()))
    });
    snapshot.hits = merged.chain(newer.iter().copied()).collect();
    snapshot.has_merged = true;
}

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;

    fn at(micros: u64) -> Ticks {
        Ticks::from_micros(1_700_000_000_000_000 + micros)
    }

    fn record(log: &mut LogState, now: Ticks, limits: &Limits, cost: u64) {
        log.check(now, limits.as_slice(), cost, Record::Always, |_, _| ());
    }

    fn remaining(log: &mut LogState, now: Ticks, limits: &Limits) -> Vec<u64> {
        let mut remaining = Vec::new();
        log.check(now, limits.as_slice(), 0, Record::Never, |_, outcome| {
            remaining.push(outcome.remaining());
        });
        remaining
    }

    fn read(log: &LogState, now: Ticks) -> (LogState, usize) {
        let mut bytes = Vec::new();
        log.write(now, &mut bytes);
        let mut rest = &bytes[..];
        let read = LogState::read(&mut rest, now).expect("valid bytes");
        assert!(rest.is_empty());
        (read, bytes.len())
    }

    #[test]
    fn a_log_that_is_read_again_counts_what_it_counted() {
        let limits = limits!("1000/minute; 50_000/day");
        let mut log = LogState::empty(limits.as_slice());
        for hit in 0..120 {
            record(&mut log, at(hit * 400_000), &limits, 1 + hit % 3 * 7);
        }
        let now = at(50_000_000);
        for now in [now, at(75_000_000)] {
            let (mut again, _) = read(&log, now);
            assert_eq!(again.expires_at, log.expires_at);
            assert_eq!(
                remaining(&mut again, now, &limits),
                remaining(&mut log, now, &limits)
            );
        }
        let (again, bytes) = read(&log, at(2 * 86_400_000_000));
        assert!(!again.counts_at(at(2 * 86_400_000_000)));
        assert!(bytes < 16, "hits that have left take no space: {bytes}");
    }

    #[test]
    fn a_log_stays_below_its_size_whatever_it_counts() {
        let lists = [
            limits!("900_000_000_000_000/minute"),
            limits!("900_000_000_000_000/30days"),
            limits!(
                "900_000_000_000/s; 900_000_000_000_000/m; 900_000_000_000_001/h; 900_000_000_000_002/d"
            ),
        ];
        for limits in lists {
            let mut log = LogState::empty(limits.as_slice());
            let mut now = 0;
            for hit in 0..6_000_u64 {
                now += hit.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 38;
                record(&mut log, at(now), &limits, 70_000_000_000 + hit);
                let (again, bytes) = read(&log, at(now));
                assert!(bytes < MAX_BYTES + 32, "{bytes}");
                log = again;
            }
            let now = at(now);
            assert!(remaining(&mut log, now, &limits)[0] < limits.first().count().get());
        }
    }

    #[test]
    fn hits_in_the_future_become_hits_of_now() {
        let limits = limits!("10/minute");
        let mut log = LogState::empty(limits.as_slice());
        record(&mut log, at(1_000_000), &limits, 4);
        record(&mut log, at(90_000_000_000), &limits, 3);
        log.end_future(at(90_000_000_000), at(30_000_000));
        let remaining = |log: &mut LogState, now| remaining(log, at(now), &limits)[0];
        assert_eq!(remaining(&mut log, 30_000_000), 7, "the first hit had left");
        assert_eq!(remaining(&mut log, 89_999_999), 7);
        assert_eq!(remaining(&mut log, 90_000_000), 10);
    }

    #[test]
    fn bytes_of_others_are_no_log() {
        for bytes in [
            &[][..],
            &[0],
            &[32, 1, 0],
            &[0, 0, 0],
            &[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],
            &[0, 9, 200, 1],
        ] {
            assert!(
                LogState::read(&mut &bytes[..], at(0)).is_none(),
                "{bytes:?}"
            );
        }
    }
}
