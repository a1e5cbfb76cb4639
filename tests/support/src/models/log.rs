//! The moving window as a list of all hits: every question is answered by looking at all of them.
//! Hits are rounded and merged as the store in memory documents it.

use limit_core::Limit;
use std::time::Duration;

/// Microseconds.
type Micros = u64;
/// A time, or a length of time, in ticks of the log.
type Ticks = u64;

/// What was consumed under one key and limit.
#[derive(Clone, Debug, Default)]
pub struct LogModel {
    /// Times and units. A time is that of the latest hit that was merged into it.
    hits: Vec<(Micros, u64)>,
    /// The longest window that was ever asked, in microseconds.
    horizon: Micros,
    entries: usize,
    /// Whether hits were merged since the log was empty.
    has_merged: bool,
}

/// How a limit judges a hit.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it fits.
    pub allowed: bool,
    /// What is left of the count, before the hit.
    pub remaining: u64,
    /// Until all of it is left.
    pub reset_after: Duration,
    /// Until more remains.
    pub next_after: Duration,
    /// `None` where no wait is of use.
    pub retry_after: Option<Duration>,
}

/// Hits that need no more memory than an empty log are never merged to save some.
const INLINE: usize = 10;

impl LogModel {
    /// An empty log that merges hits once there are more than `entries`.
    #[must_use]
    pub fn new(entries: u32) -> Self {
        Self {
            entries: entries as usize,
            ..Self::default()
        }
    }

    /// Tells the log the limits that it is asked next, and when. Any question does, with whatever
    /// answer.
    pub fn ask(&mut self, now: Micros, limits: &[Limit]) {
        if self
            .hits
            .last()
            .is_some_and(|newest| self.leaves(newest.0, self.horizon) <= now)
        {
            self.hits.clear();
        }
        let (horizon, before) = (self.horizon, self.clone());
        self.hits
            .retain(|&(at, _)| before.leaves(at, horizon) > now);
        if self.hits.is_empty() {
            self.has_merged = false;
            self.horizon = 0;
        }
        let longest = limits.iter().map(window).max().unwrap();
        self.horizon = self.horizon.max(longest);
    }

    /// How `limit` judges a hit of `cost` at `now`.
    #[must_use]
    pub fn assess(&self, now: Micros, limit: Limit, cost: u64) -> Answer {
        let count = limit.count().get();
        let window = window(&limit);
        let used_at = |then: Micros| -> u64 {
            let hits = self.hits.iter();
            hits.filter(|(at, _)| self.leaves(*at, window) > then)
                .map(|(_, units)| units)
                .sum()
        };
        let falls_to = |target| {
            let mut leaving = self.hits.iter().map(|(at, _)| self.leaves(*at, window));
            let then = leaving.find(|&then| used_at(then) <= target);
            Duration::from_micros(then.unwrap() - now)
        };
        let (used, wanted) = (used_at(now), cost.max(1));
        let allowed = used + wanted <= count;
        Answer {
            allowed,
            remaining: count.saturating_sub(used),
            reset_after: if used > 0 {
                falls_to(0)
            } else {
                Duration::ZERO
            },
            next_after: match used.min(count) {
                0 => Duration::ZERO,
                counted => falls_to(counted - 1),
            },
            retry_after: (!allowed && wanted <= count).then(|| falls_to(count - wanted)),
        }
    }

    /// Records a hit of `cost` at `now` under `limits`, which were [asked](Self::ask) for.
    pub fn record(&mut self, now: Micros, limits: &[Limit], cost: u64) {
        if cost == 0 {
            return;
        }
        let windows = self.windows(limits);
        let shortest = windows[0];
        let is_within =
            |&&(at, _): &&(Micros, u64)| (self.stamp(at) + shortest) * self.tick() > now;
        let is_crowded = self.hits.iter().filter(is_within).count() >= self.entries;
        let cell = self.cell(shortest);
        let is_same = |at| self.stamp(at) / cell == self.stamp(now) / cell;
        match self.hits.last().copied() {
            Some((at, units)) if is_crowded && is_same(at) => {
                *self.hits.last_mut().unwrap() = (now, units + cost);
                self.has_merged = true;
            }
            _ => self.hits.push((now, cost)),
        }
        self.merge(now, &windows);
    }

    /// Assumes a list of windows that never changes. Where it does, the number of entries must be
    /// out of reach.
    fn merge(&mut self, now: Micros, windows: &[Ticks]) {
        let spare = if windows.len() > 1 {
            self.entries / 2 + 1
        } else {
            0
        };
        let capacity = windows.len() * (2 * self.entries + 2) + spare;
        if self.hits.len() <= capacity.max(INLINE) {
            return;
        }
        let segment = |at: Micros| {
            let is_older = |window: &&Ticks| (self.stamp(at) + **window) * self.tick() <= now;
            windows
                .iter()
                .filter(is_older)
                .count()
                .min(windows.len() - 1)
        };
        let is_crowded = |segment_: usize| {
            let of_segment = self.hits.iter().filter(|hit| segment(hit.0) == segment_);
            of_segment.count() > self.entries
        };
        let mut kept: Vec<(Micros, u64)> = Vec::new();
        for &(at, units) in &self.hits {
            let it = segment(at);
            let cell = self.cell(windows[it]);
            match kept.last_mut() {
                Some(before)
                    if segment(before.0) == it
                        && is_crowded(it)
                        && self.stamp(before.0) / cell == self.stamp(at) / cell =>
                {
                    *before = (at, before.1 + units);
                }
                _ => kept.push((at, units)),
            }
        }
        assert!(kept.len() <= capacity, "merging makes room");
        self.hits = kept;
        self.has_merged = true;
    }

    /// Takes up to `cost` out of the hits that were recorded in the tick of `at`, or out of those
    /// that they were merged into.
    pub fn refund(&mut self, now: Micros, at: Micros, cost: u64) {
        let (horizon, before) = (self.horizon, self.clone());
        self.hits
            .retain(|&(at, _)| before.leaves(at, horizon) > now);
        let stamp = before.stamp(at);
        let Some(first) = self
            .hits
            .iter()
            .position(|hit| before.stamp(hit.0) >= stamp)
        else {
            return;
        };
        let mut merged = before.stamp(self.hits[first].0);
        let cell = before.cell(horizon.div_ceil(before.tick()));
        let may_be_merged =
            before.has_merged && before.leaves(at, horizon) > now && merged / cell == stamp / cell;
        if first == 0 && merged != stamp && !may_be_merged {
            return;
        }
        let mut rest = cost;
        let mut take = |hits: &mut [(Micros, u64)], merged| {
            for hit in hits {
                if before.stamp(hit.0) == merged {
                    let taken = rest.min(hit.1);
                    hit.1 -= taken;
                    rest -= taken;
                }
            }
        };
        take(&mut self.hits, merged);
        // Of several hits of one time, the last may have been merged into the next one.
        if before.has_merged && merged == stamp {
            let next = self.hits.iter().map(|hit| before.stamp(hit.0));
            merged = next.filter(|next| *next > stamp).min().unwrap_or(merged);
            take(&mut self.hits, merged);
        }
        self.hits.retain(|hit| hit.1 > 0);
    }

    /// A tick is the smallest power of two of microseconds with which the longest window has less
    /// than 2^31 ticks.
    fn tick(&self) -> Micros {
        let mut tick = 1;
        while self.horizon.div_ceil(tick) >= 1 << 31 {
            tick *= 2;
        }
        tick
    }

    /// The tick in which a hit counts as recorded.
    fn stamp(&self, at: Micros) -> Ticks {
        at.div_ceil(self.tick())
    }

    /// When a hit leaves a window.
    fn leaves(&self, at: Micros, window: Micros) -> Micros {
        (self.stamp(at) + window.div_ceil(self.tick())) * self.tick()
    }

    /// The windows in ticks, from the shortest to the longest.
    fn windows(&self, limits: &[Limit]) -> Vec<Ticks> {
        let windows = limits.iter().map(window).chain([self.horizon]);
        let mut windows: Vec<_> = windows.map(|window| window.div_ceil(self.tick())).collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// The largest power of two of which a window has at least as many as there are entries.
    fn cell(&self, window: Ticks) -> Ticks {
        let mut cell = 1;
        while 2 * cell * self.entries as u64 <= window {
            cell *= 2;
        }
        cell
    }
}

fn window(limit: &Limit) -> Micros {
    limit.window_millis() * 1_000
}
