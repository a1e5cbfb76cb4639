//! The moving window: no interval of the window's length, wherever it starts, holds more than the count.
//!
//! The log holds one entry per request whatever its cost: when it was, and the running total up to and
//! including it. What a window holds is the difference of two totals, so any limit can be read
//! from the same log, and a limit that changes keeps its history. After Cloudflare's and Figma's
//! "sliding window log", with totals in place of one entry per unit.

use crate::{
    clock::Ticks,
    decision::{Outcome, Verdict},
};
use limit_core::Limit;
use std::{collections::VecDeque, time::Duration};

/// Past this many entries the two closest merge, so that memory is bounded whatever the count.
pub(crate) const MAX_ENTRIES: usize = 1024;

/// What one key has consumed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// The running total before the oldest entry.
    base: u64,
    /// Oldest first; both fields never fall from one entry to the next.
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Ticks,
    total: u64,
}

impl Log {
    /// How `limit` stands for a request of `cost` now, before anything is recorded.
    pub(crate) fn assess(&self, now: Ticks, limit: Limit, cost: u32) -> Outcome {
        let count = u64::from(limit.count().get());
        let window = window_micros(limit);
        let newest = self.newest_total();
        let used = newest - self.total_expired(now, window);
        let cost = u64::from(cost);
        // A cost of zero asks whether anything is left.
        let wanted = cost.max(1);
        let verdict = if used + wanted <= count {
            Verdict::Allowed
        } else if wanted > count {
            Verdict::NeverFits
        } else {
            Verdict::RetryAfter(self.wait_for_total(now, window, newest + wanted - count))
        };
        Outcome {
            limit,
            remaining: to_u32(count.saturating_sub(used)),
            reset_after: if used == 0 {
                Duration::ZERO
            } else {
                self.wait_for_total(now, window, newest)
            },
            verdict,
        }
    }

    /// Records a request of `cost` now, and forgets what lies `horizon` or more in the past.
    pub(crate) fn record(&mut self, now: Ticks, cost: u32, horizon: Duration) {
        if cost == 0 {
            return;
        }
        self.forget(now, horizon);
        let total = self.newest_total() + u64::from(cost);
        match self.entries.back_mut() {
            Some(last) if last.at == now => last.total = total,
            _ => {
                self.entries.push_back(Entry { at: now, total });
                if self.entries.len() > MAX_ENTRIES {
                    self.merge_closest();
                }
            }
        }
    }

    /// Gives back up to `cost` units that were recorded at `at`.
    pub(crate) fn refund(&mut self, at: Ticks, cost: u32) {
        let first = self.entries.partition_point(|entry| entry.at < at);
        let Some(entry) = self.entries.get(first) else {
            return;
        };
        let before = match first.checked_sub(1) {
            Some(previous) => self.entries[previous].total,
            None => self.base,
        };
        let units = u64::from(cost).min(entry.total - before);
        for entry in self.entries.range_mut(first..) {
            entry.total -= units;
        }
    }

    fn newest_total(&self) -> u64 {
        self.entries.back().map_or(self.base, |entry| entry.total)
    }

    /// The running total of all that a window ending now no longer holds: half open, so a hit
    /// exactly one window ago is free.
    fn total_expired(&self, now: Ticks, window: u64) -> u64 {
        let live = self.entries.partition_point(|entry| {
            entry.at.as_micros().saturating_add(window) <= now.as_micros()
        });
        match live.checked_sub(1) {
            Some(last_expired) => self.entries[last_expired].total,
            None => self.base,
        }
    }

    /// How long until the running total of what has expired reaches `total`.
    fn wait_for_total(&self, now: Ticks, window: u64, total: u64) -> Duration {
        let index = self.entries.partition_point(|entry| entry.total < total);
        match self.entries.get(index) {
            Some(entry) => {
                Ticks::from_micros(entry.at.as_micros().saturating_add(window)).since(now)
            }
            None => Duration::ZERO,
        }
    }

    fn forget(&mut self, now: Ticks, horizon: Duration) {
        while let Some(first) = self.entries.front() {
            if now.since(first.at) < horizon {
                break;
            }
            self.base = first.total;
            self.entries.pop_front();
        }
    }

    /// Merges the two closest entries to the later time: it can only ever count longer than it should.
    fn merge_closest(&mut self) {
        let closest = (1..self.entries.len())
            .min_by_key(|&later| self.entries[later].at.since(self.entries[later - 1].at));
        if let Some(later) = closest {
            self.entries.remove(later - 1);
        }
    }
}

fn window_micros(limit: Limit) -> u64 {
    limit.window_millis().saturating_mul(1_000)
}

fn to_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
