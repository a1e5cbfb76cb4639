//! The moving window as a list of all hits: every question is answered by looking at all of them.
//! Hits are rounded and merged as the store in memory documents it.

use limit_core::Limit;
use std::time::Duration;

/// Microseconds.
type Micros = u64;

/// What was consumed under one key and limit.
#[derive(Clone, Debug, Default)]
pub struct LogModel {
    hits: Vec<(Micros, u64)>,
    /// The longest window that was ever asked, in microseconds.
    horizon: Micros,
    /// Whether times stay whole, however long the windows get.
    whole: bool,
    entries: usize,
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

const MILLI: Micros = 1_000;
/// Logs whose windows are shorter keep times in microseconds.
const FINE: Micros = (1 << 31) / MILLI * MILLI;

impl LogModel {
    /// An empty log that merges hits once there are more than `entries`.
    #[must_use]
    pub fn new(entries: u32) -> Self {
        Self {
            entries: entries as usize,
            ..Self::default()
        }
    }

    /// How `limit` judges a hit of `cost` at `now`.
    #[must_use]
    pub fn assess(&self, now: Micros, limit: Limit, cost: u64) -> Answer {
        let count = limit.count().get();
        let window = limit.window_millis() * MILLI;
        let used_at = |then: Micros| -> u64 {
            let counts = |&&(at, _): &&(Micros, u64)| at + window > then && !self.is_fresh(now);
            self.hits
                .iter()
                .filter(counts)
                .map(|(_, units)| units)
                .sum()
        };
        let leaving = self.hits.iter().map(|(at, _)| at + window);
        let falls_to = |target| {
            let then = leaving.clone().find(|&then| used_at(then) <= target);
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

    /// What is older than the longest window that was ever asked is forgotten, even if a longer one
    /// comes.
    fn is_fresh(&self, now: Micros) -> bool {
        let newest = self.hits.last().map_or(0, |hit| hit.0);
        newest.next_multiple_of(MILLI) + self.horizon <= now
    }

    /// What times are rounded up to.
    fn tick(&self) -> Micros {
        if self.horizon < FINE || self.whole {
            1
        } else {
            MILLI
        }
    }

    /// Records a hit of `cost` at `now` under `limits`.
    pub fn record(&mut self, now: Micros, limits: &[Limit], cost: u64) {
        if cost == 0 {
            return;
        }
        if self.is_fresh(now) {
            *self = Self {
                entries: self.entries,
                ..Self::default()
            };
        }
        let windows: Vec<_> = limits
            .iter()
            .map(|limit| limit.window_millis() * MILLI)
            .collect();
        let was_fine = (1..FINE).contains(&self.horizon);
        self.horizon = self.horizon.max(*windows.iter().max().unwrap());
        let is_fine = self.horizon < FINE;
        self.whole |= !is_fine
            && (was_fine
                || windows.iter().any(|&window| window < 1_000 * MILLI)
                || self.horizon >= (1 << 31) * MILLI);
        let newest = self.hits.last().map_or(0, |newest| newest.0);
        self.hits.retain(|(at, _)| at + self.horizon > now);
        // Where totals need more than 32 bits, times have more as well.
        let held: u64 = self.hits.iter().map(|hit| hit.1).sum();
        self.whole |= held + cost > u32::MAX.into();
        let tick = self.tick();
        let stamp = now.next_multiple_of(tick).max(newest);
        match self.hits.last_mut() {
            Some(newest) if newest.0 == stamp => newest.1 += cost,
            _ => {
                self.merge(now, tick, windows);
                self.hits.push((stamp, cost));
            }
        }
    }

    /// Assumes a list of windows that never changes. Where it does, the number of entries must be
    /// out of reach.
    fn merge(&mut self, now: Micros, tick: Micros, mut windows: Vec<Micros>) {
        windows.push(self.horizon);
        windows.sort_unstable();
        windows.dedup();
        let capacity = match windows.len() {
            1 => self.entries + self.entries / 16 + 2,
            several => several * 2 * (self.entries + 1),
        };
        if self.hits.len() < capacity {
            return;
        }
        let mut cells: Vec<Micros> = Vec::new();
        for window in windows.iter().map(|window| window / tick) {
            let entries = self.entries as u64;
            cells.push(match cells.last() {
                None => window.div_ceil(entries),
                Some(last) => last * (window / last / entries).max(1),
            });
        }
        let place = |at: Micros| {
            let older = windows.iter().filter(|&&window| at + window <= now);
            let segment = older.count().min(windows.len() - 1);
            (segment, at / tick / cells[segment])
        };
        let crowd = |segment| {
            self.hits
                .iter()
                .filter(|hit| place(hit.0).0 == segment)
                .count()
        };
        let crowded: Vec<_> = (0..windows.len())
            .map(|segment| crowd(segment) > self.entries)
            .collect();
        let merges =
            |a: (Micros, u64), b: (Micros, u64)| place(a.0) == place(b.0) && crowded[place(a.0).0];
        let last = self.hits.len() - 1;
        let only_newest =
            place(self.hits[last - 1].0).0 == 0 && merges(self.hits[last - 1], self.hits[last]);
        let mut kept: Vec<(Micros, u64)> = Vec::new();
        for (index, &hit) in self.hits.iter().enumerate() {
            match kept.last_mut() {
                Some(before) if (!only_newest || index == last) && merges(*before, hit) => {
                    *before = (hit.0, before.1 + hit.1);
                }
                _ => kept.push(hit),
            }
        }
        self.hits = kept;
    }

    /// Takes up to `cost` out of the hits that were recorded in the tick of `at`.
    pub fn refund(&mut self, at: Micros, cost: u64) {
        let tick = self.tick();
        let at = at.next_multiple_of(tick);
        let place = self.hits.iter().position(|hit| hit.0 >= at);
        if let Some(place) = place
            && (place > 0 || self.hits[0].0 == at)
        {
            self.hits[place].1 -= cost.min(self.hits[place].1);
        }
    }
}
