//! Random checks against a model that counts by brute force: every answer must be the same, from any store and
//! under each strategy.

use limit_runtime::{
    Decision, IntoKey, Key, Limits, MAX_COUNT, Receipt, Strategy, Verdict,
    clock::{Clock, TestClock},
    store::{Action, Charge, Scope},
};
use std::{future::Future, num::NonZeroU64, time::Duration};

/// Some are longer than fits into 32 bits of microseconds, so that the moving window counts in longer ticks.
const WINDOWS: [&str; 6] = ["7ms", "1s", "1min", "17min", "5h", "365d"];

const MOST_COUNTED: u64 = 1 << 50;

/// A store under test, empty and with a clock of its own.
pub trait Subject {
    /// What a check answers.
    fn check(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> impl Future<Output = Decision> + Send;

    /// Gives back what a check consumed.
    fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> impl Future<Output = ()> + Send;

    /// The moving window's tick under a window of so many microseconds, where costs need more than
    /// 32 bits or do not.
    fn tick(window: u64, is_large: bool) -> u64;
}

/// How large counts and costs are.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// What most costs are multiples of.
    unit: u64,
    /// The largest count, in units.
    most: u64,
}

const SMALL: Sizes = Sizes { unit: 1, most: 12 };
/// Up to the largest count: 12 units and three more.
const LARGE: Sizes = Sizes {
    unit: MAX_COUNT / 12,
    most: 12,
};

impl Sizes {
    fn count(self, random: &mut Random, seed: u64) -> u64 {
        match (self.unit, seed % 3) {
            (1, 0) => 1 + random.below(400),
            (1, _) => 1 + random.below(self.most),
            (_, 0) => MAX_COUNT,
            (unit, _) => (1 + random.below(self.most)) * unit - random.below(2),
        }
    }

    fn cost(self, random: &mut Random) -> u64 {
        match random.below(4) * self.unit {
            0 => 0,
            cost if self.unit == 1 => cost,
            cost => cost + random.below(2),
        }
    }

    fn up_to(self, random: &mut Random, most: u64) -> u64 {
        if self.unit == 1 {
            return random.below(most + 1);
        }
        let high = u128::from(random.below(1 << 31)) << 31;
        let random = high | u128::from(random.below(1 << 31));
        u64::try_from((random * u128::from(most + 1)) >> 62).unwrap()
    }
}

/// xorshift64*: the same sequence in every run.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below this one, of at most 31 bits.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// What was consumed under one key and window: every hit, for ever.
#[derive(Default)]
struct Model {
    hits: Vec<Hit>,
    /// GCRA: when the bucket is empty, in `count`-ths of a microsecond.
    level: (u64, u128),
}

#[derive(Clone, Copy)]
struct Hit {
    at: u64,
    units: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    remaining: u64,
    reset: u64,
    /// Until more remains; 0 if all does.
    next: u64,
    /// 0: room; `u64::MAX`: never.
    wait: u64,
}

struct Rule {
    strategy: Strategy,
    count: u64,
    window: u64,
    /// The moving window's: hits count from the end of theirs to the beginning of another.
    tick: u64,
}

impl Model {
    /// What the rule counts as used at `now`.
    fn used(&self, rule: &Rule, now: u64) -> u64 {
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

    /// Follows the windows from the first hit on; a new one begins when nothing is left of the last.
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

    /// The first moment from `now` on at which no more than `target` is used, by bisection: what
    /// nobody adds to only falls.
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

    fn assess(&self, rule: &Rule, now: u64, cost: u64) -> Answer {
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
    fn refund(&mut self, rule: &Rule, at: u64, mut units: u64) {
        let tick = |at: u64| at.div_ceil(rule.tick);
        for hit in self.hits.iter_mut().filter(|hit| tick(hit.at) == tick(at)) {
            let taken = units.min(hit.units);
            hit.units -= taken;
            units -= taken;
        }
    }

    fn record(&mut self, rule: &Rule, now: u64, units: u64) {
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

fn strategies(burst: u64) -> [Strategy; 4] {
    [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra {
            burst: NonZeroU64::new(burst).unwrap(),
        },
    ]
}

/// Asks `checks` questions or some more, each sequence of a subject that `subject` makes.
///
/// # Panics
/// When an answer is not the model's.
pub async fn run<S: Subject>(checks: usize, subject: impl AsyncFn(&TestClock, u64) -> S) {
    let mut done = 0;
    let (mut seed, mut round) = (1, 0);
    while done < checks {
        // One round of three is of counts and costs up to the largest that there are.
        let sizes = if round % 3 == 1 { LARGE } else { SMALL };
        round += 1;
        for strategy in strategies(7 * sizes.unit) {
            for window in WINDOWS {
                let clock = TestClock::new();
                let subject = subject(&clock, seed).await;
                done += sequence(&subject, &clock, strategy, window, (seed, sizes)).await;
                seed += 1;
            }
        }
    }
    println!("{done} checks, 0 mismatches");
}

/// A sequence of checks on a few keys; answers with how many.
async fn sequence<S: Subject>(
    store: &S,
    clock: &TestClock,
    strategy: Strategy,
    window: &str,
    (seed, sizes): (u64, Sizes),
) -> usize {
    const STEPS: usize = 250;
    let time = Clock::from(clock.clone());
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let count = sizes.count(&mut random, seed);
    let limits: Limits = format!("{count}/{window}").parse().unwrap();
    let window_micros = limits.first().window_millis() * 1_000;
    let rule = Rule {
        strategy,
        count,
        window: window_micros,
        tick: S::tick(window_micros, sizes.unit > 1),
    };
    let mut models: [Model; 3] = Default::default();
    let keys: [Key; 3] = [0_u8, 1, 2].map(IntoKey::into_key);
    let mut consumed = Vec::new();
    for step in 0..STEPS {
        let long = rule.window;
        let jump = match random.below(10) {
            0..4 => 0,
            4..7 => random.below(rule.window / count + 2),
            7 | 8 => random.below(long),
            _ => long * random.below(3) + random.below(2 * rule.tick),
        };
        clock.advance(Duration::from_micros(jump));
        let now = time.now().as_micros();
        let which = usize::try_from(random.below(3)).unwrap();
        let cost = match random.below(8) {
            0 => 0,
            1..5 => sizes.unit,
            5 => sizes.up_to(&mut random, count + 2),
            _ => sizes.cost(&mut random),
        };
        // Counters go up to more than any limit allows, and no further.
        let may_force = models[which].used(&rule, now) + cost < MOST_COUNTED;
        let action = match random.below(20) {
            0 | 1 => Action::Peek,
            2 if may_force => Action::Force,
            _ => Action::Consume,
        };
        let charge = |which: usize, cost: u64| {
            Charge::new(Scope::shared("oracle"), &keys[which], &limits)
                .cost(cost)
                .strategy(strategy)
        };
        let decision = store.check(&[charge(which, cost)], action).await;
        let mut expected = models[which].assess(&rule, now, cost);
        let consumes = action == Action::Force || action == Action::Consume && expected.wait == 0;
        if consumes && cost > 0 {
            models[which].record(&rule, now, cost);
            let after = models[which].assess(&rule, now, 0);
            expected.remaining = after.remaining;
            expected.reset = after.reset;
            expected.next = after.next;
        }
        let outcome = decision.outcomes()[0];
        let found = Answer {
            remaining: outcome.remaining(),
            reset: u64::try_from(outcome.reset_after().as_micros()).unwrap(),
            next: u64::try_from(outcome.next_after().as_micros()).unwrap(),
            wait: match outcome.verdict() {
                Verdict::Allowed => 0,
                Verdict::RetryAfter(wait) => u64::try_from(wait.as_micros()).unwrap(),
                Verdict::NeverFits => u64::MAX,
            },
        };
        assert_eq!(
            found, expected,
            "step {step} of seed {seed}: {count}/{window}, {strategy:?}, cost {cost}, {action:?}, at {now}"
        );
        assert_eq!(decision.receipts().is_empty(), !consumes);
        if let Some(receipt) = decision.receipts().first() {
            consumed.push((which, receipt.clone(), cost));
        }
        // The other strategies hold no hits apart: rows say what they give back.
        if strategy == Strategy::MovingWindow && random.below(6) == 0 && !consumed.is_empty() {
            let place = random.below(consumed.len().min(9) as u64);
            let place = consumed.len() - 1 - usize::try_from(place).unwrap();
            let (which, receipt, cost) = consumed.swap_remove(place);
            let units = sizes.up_to(&mut random, cost);
            let charge = charge(which, units);
            store
                .refund(&[charge], std::slice::from_ref(&receipt))
                .await;
            models[which].refund(&rule, receipt.at(), units);
        }
    }
    STEPS
}
