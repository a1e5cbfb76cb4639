//! Each strategy as a list of all hits: every question is answered by looking at all of them.

use limit_runtime::Strategy;

/// What was consumed under one key and window: every hit, for ever.
#[derive(Debug, Default)]
pub struct StrategyModel {
    hits: Vec<Hit>,
    /// GCRA: when the bucket is empty, in `count`-ths of a microsecond.
    level: (u64, u128),
}

#[derive(Clone, Copy, Debug)]
struct Hit {
    at: u64,
    units: u64,
}

/// How a rule judges a hit. Times are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is left of the capacity, before the hit.
    pub remaining: u64,
    /// Until all of it is left.
    pub reset: u64,
    /// Until more remains; 0 if all does.
    pub next: u64,
    /// Until the hit fits. 0: it fits now; `u64::MAX`: never.
    pub wait: u64,
}

/// A limit and how it counts. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// How hits are counted.
    pub strategy: Strategy,
    /// How many units there are.
    pub count: u64,
    /// In how much time.
    pub window: u64,
    /// The moving window's: hits count from the end of theirs to the beginning of another.
    pub tick: u64,
}

impl StrategyModel {
    /// What the rule counts as used at `now`.
    #[must_use]
    pub fn used(&self, rule: &Rule, now: u64) -> u64 {
        let since = |from: u64, till: u64| -> u64 {
            let hits = self.hits.iter();
            hits.filter(|hit| hit.at >= from && hit.at < till)
                .map(|hit| hit.units)
                .sum()
        };
        match rule.strategy {
            Strategy::MovingWindow => {
                let tick = rule.tick;
                let counts =
                    |hit: &&Hit| hit.at.div_ceil(tick) + rule.window.div_ceil(tick) > now / tick;
                self.hits.iter().filter(counts).map(|hit| hit.units).sum()
            }
            Strategy::FixedWindow => match self.window_start(rule, now) {
                Some(start) if now < start + rule.window => since(start, now + 1),
                _ => 0,
            },
            Strategy::SlidingWindow => match self.window_start(rule, now) {
                Some(start) => {
                    let start = if now >= start + rule.window {
                        start + rule.window
                    } else {
                        start
                    };
                    let previous = since(start.saturating_sub(rule.window), start);
                    let left = u128::from((start + rule.window).saturating_sub(now));
                    let faded = (u128::from(previous) * left).div_ceil(u128::from(rule.window));
                    u64::try_from(faded).unwrap() + since(start, now + 1)
                }
                None => 0,
            },
            _ => {
                let drained = u128::from(now - self.level.0) * u128::from(rule.count);
                let level = self.level.1.saturating_sub(drained);
                u64::try_from(level.div_ceil(u128::from(rule.window))).unwrap()
            }
        }
    }

    /// Follows the windows from the first hit on; a new one begins when nothing is left of the
    /// last.
    fn window_start(&self, rule: &Rule, now: u64) -> Option<u64> {
        let mut start: Option<u64> = None;
        for hit in self.hits.iter().filter(|hit| hit.at <= now) {
            start = Some(match start {
                Some(start) if hit.at < start + rule.window => start,
                Some(start)
                    if rule.strategy == Strategy::SlidingWindow
                        && hit.at < start + 2 * rule.window
                        && self
                            .hits
                            .iter()
                            .any(|h| h.at >= start && h.at < start + rule.window) =>
                {
                    start + rule.window
                }
                _ => hit.at,
            });
        }
        start.filter(|&start| {
            let windows = if rule.strategy == Strategy::SlidingWindow {
                2
            } else {
                1
            };
            now < start + windows * rule.window
        })
    }

    /// The first moment from `now` on at which no more than `target` is used, by bisection: without
    /// further hits, the use only falls.
    fn falls_to(&self, rule: &Rule, now: u64, target: u64) -> u64 {
        let (mut low, mut high) = (now, now + 4 * rule.window.max(1) * 64);
        while low < high {
            let middle = low.midpoint(high);
            if self.used(rule, middle) <= target {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low - now
    }

    /// How `rule` judges a hit of `cost` at `now`.
    #[must_use]
    pub fn assess(&self, rule: &Rule, now: u64, cost: u64) -> Answer {
        let capacity = match rule.strategy {
            Strategy::Gcra { burst } => burst.get(),
            _ => rule.count,
        };
        let used = self.used(rule, now);
        let wanted = cost.max(1);
        Answer {
            remaining: capacity.saturating_sub(used),
            reset: match (used, rule.strategy) {
                (0, _) => 0,
                // Its counters are forgotten as a whole: the estimate alone may reach zero sooner.
                (_, Strategy::SlidingWindow) => self.forgotten(rule, now),
                _ => self.falls_to(rule, now, 0),
            },
            next: match used.min(capacity) {
                0 => 0,
                counted => self.falls_to(rule, now, counted - 1),
            },
            wait: if used + wanted <= capacity {
                0
            } else if wanted > capacity {
                u64::MAX
            } else {
                self.falls_to(rule, now, capacity - wanted)
            },
        }
    }

    fn forgotten(&self, rule: &Rule, now: u64) -> u64 {
        let start = self.window_start(rule, now).unwrap();
        let start = if now >= start + rule.window {
            start + rule.window
        } else {
            start
        };
        let current = self.hits.iter().any(|hit| hit.at >= start);
        start + if current { 2 } else { 1 } * rule.window - now
    }

    /// Takes up to `units` out of what was recorded in the tick of `at`.
    pub fn refund(&mut self, rule: &Rule, at: u64, mut units: u64) {
        let tick = |at: u64| at.div_ceil(rule.tick);
        for hit in self.hits.iter_mut().filter(|hit| tick(hit.at) == tick(at)) {
            let taken = units.min(hit.units);
            hit.units -= taken;
            units -= taken;
        }
    }

    /// Records a hit of `units` at `now`.
    pub fn record(&mut self, rule: &Rule, now: u64, units: u64) {
        if matches!(rule.strategy, Strategy::Gcra { .. }) {
            let drained = u128::from(now - self.level.0) * u128::from(rule.count);
            let level = self.level.1.saturating_sub(drained);
            self.level = (now, level + u128::from(units) * u128::from(rule.window));
        } else {
            let oldest = now.saturating_sub(8 * rule.window);
            if self.hits.len() > 4000 {
                self.hits.retain(|hit| hit.at > oldest);
            }
            self.hits.push(Hit { at: now, units });
        }
    }
}
