//! One check in memory beside governor's: `cargo bench -p limit-benches --bench store [PART]`.
//! `PART` selects the rows with this text in their names.
//!
//! Processor time, in short interleaved turns. A ratio is the median, over all turns, of what a
//! check takes here and what governor's takes in the same turn.
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    missing_docs,
    reason = "these are measurements"
)]

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use limit_benches::{
    EIGHT, check, check_peer,
    keys::{KeyNumbers, Order, address, text},
    turns::{Contender, Turns, verdict},
};
use limit_runtime::{IntoKey, Limit, Limiter, Limits, Strategy, clock::TestClock, limits};
use std::{
    hash::Hash,
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    time::{Duration, Instant},
};

const ROOMY: Limits = limits!("4_000_000_000/minute");
const TWO: Limits = limits!("100_000_000/second; 4_000_000_000/minute");
/// Nothing expires while it is measured, and no log is full.
const DAILY: Limits = limits!("1_000/day");
/// Microseconds are told apart, so that hits of one key do not merge.
const GROWING: Limits = limits!("1_000_000/minute");
/// Under GCRA, each hit lasts 86 µs: what is hit more often never expires.
const LASTING: Limits = limits!("1_000_000_000/day");
const TIGHT: Limits = limits!("1/day");

const MOVING: Strategy = Strategy::MovingWindow;

/// One row of the table.
struct Case {
    name: &'static str,
    /// The ratio of the moving window that is aimed at.
    target: f64,
    /// The limits of the moving window.
    limits: Limits,
    /// The limit of governor, and of GCRA here. Its states do not expire while they are measured:
    /// what has expired is dropped here, but kept by governor.
    rate: Limits,
    /// Whether GCRA is measured here, too.
    with_gcra: bool,
    keys: u32,
    text: bool,
    order: Order,
    threads: usize,
    /// Hits in each key's log before the first turn, on average. The turns must add few to them.
    /// None of them expires.
    hits: u32,
    /// How often all of it is repeated with new limiters.
    repeat: usize,
    turns: usize,
    /// Checks in a turn.
    times: u64,
    /// Whether the ratio is that of all turns together, because they differ by design.
    as_one: bool,
}

const ALLOWED: Case = Case {
    name: "",
    target: f64::INFINITY,
    limits: ROOMY,
    rate: LASTING,
    with_gcra: true,
    keys: 1_000,
    text: false,
    order: Order::Random,
    threads: 1,
    hits: 0,
    repeat: 1,
    turns: 201,
    times: 20_000,
    as_one: false,
};

const DENIED: Case = Case {
    limits: TIGHT,
    rate: TIGHT,
    hits: 1,
    ..ALLOWED
};

const TWO_LIMITS: Case = Case {
    limits: TWO,
    with_gcra: false,
    ..ALLOWED
};

/// The turns add 0.4 hits to each log.
const MILLION: Case = Case {
    limits: DAILY,
    rate: DAILY,
    keys: 1_000_000,
    order: Order::Dependent,
    turns: 100,
    times: 4_000,
    ..ALLOWED
};

/// The turns add 0.5 hits to each log.
const HUNDRED_THOUSAND: Case = Case {
    keys: 100_000,
    repeat: 4,
    turns: 25,
    times: 2_000,
    ..MILLION
};

/// The turns add 300 hits to each log.
const GROWING_LOGS: Case = Case {
    limits: GROWING,
    rate: DAILY,
    as_one: true,
    ..ALLOWED
};

const CASES: &[Case] = &[
    Case {
        name: "hot key",
        target: 1.0,
        keys: 1,
        ..ALLOWED
    },
    Case {
        name: "1,000 keys",
        target: 1.1,
        ..ALLOWED
    },
    Case {
        name: "denied, hot key",
        target: 0.9,
        keys: 1,
        ..DENIED
    },
    Case {
        name: "denied, 1,000 keys",
        target: 1.0,
        ..DENIED
    },
    Case {
        name: "denied, hot key, 2 threads",
        target: 0.25,
        keys: 1,
        threads: 2,
        turns: 101,
        times: 50_000,
        ..DENIED
    },
    Case {
        name: "two limits, hot key",
        target: 1.5,
        keys: 1,
        ..TWO_LIMITS
    },
    Case {
        name: "two limits, 1,000 keys",
        target: 2.0,
        ..TWO_LIMITS
    },
    Case {
        name: "text, hot key",
        target: 1.2,
        keys: 1,
        text: true,
        ..ALLOWED
    },
    Case {
        name: "text, 1,000 keys",
        target: 1.25,
        text: true,
        ..ALLOWED
    },
    Case {
        name: "10^6 keys, 2 hits each",
        target: 0.9,
        hits: 2,
        ..MILLION
    },
    Case {
        name: "10^6 keys, 9 hits each",
        target: 0.95,
        hits: 9,
        ..MILLION
    },
    Case {
        name: "10^6 keys, 40 hits each",
        target: 1.4,
        hits: 40,
        ..MILLION
    },
    Case {
        name: "10^5 keys, 2 hits each",
        target: 1.0,
        hits: 2,
        ..HUNDRED_THOUSAND
    },
    Case {
        name: "10^5 keys, 9 hits each",
        target: 1.1,
        hits: 9,
        ..HUNDRED_THOUSAND
    },
    Case {
        name: "10^5 keys, 40 hits each",
        target: 1.6,
        hits: 40,
        ..HUNDRED_THOUSAND
    },
    Case {
        name: "growing logs, 10^3 keys",
        target: 1.8,
        repeat: 15,
        turns: 30,
        times: 10_000,
        ..GROWING_LOGS
    },
    Case {
        name: "growing logs, 10^4 keys",
        target: 1.4,
        keys: 10_000,
        repeat: 5,
        turns: 150,
        ..GROWING_LOGS
    },
    Case {
        name: "hot key, 2 threads",
        target: 0.65,
        keys: 1,
        threads: 2,
        turns: 101,
        ..ALLOWED
    },
    Case {
        name: "1,000 keys, 2 threads",
        target: 1.0,
        threads: 2,
        turns: 101,
        ..ALLOWED
    },
];

impl Case {
    fn measure(&self) {
        if self.text {
            // The keys are made before the time is taken.
            let keys: Vec<String> = (0..self.keys).map(text).collect();
            self.compare(|number| &keys[number as usize]);
        } else {
            self.compare(address);
        }
    }

    fn compare<K>(&self, key: impl Fn(u32) -> K + Sync)
    where
        K: IntoKey + PeerKey<Peer: Send + Sync>,
    {
        let burst = self.rate.first().count();
        let gcra_strategy = Strategy::Gcra { burst };
        let mut all = Turns::default();
        for _ in 0..self.repeat {
            let peer: DefaultKeyedRateLimiter<K::Peer> = RateLimiter::keyed(quota(&self.rate));
            let [moving, gcra] = [(); 2].map(|()| Limiter::builder().max_keys(2_000_000).build());
            let check_peer = |number| key(number).check(&peer);
            let check_moving = |number| check(&moving, &self.limits, MOVING, key(number));
            let check_gcra = |number| check(&gcra, &self.rate, gcra_strategy, key(number));

            self.fill(self.hits, check_moving);
            // Further hits would only change a number in the state of a key.
            self.fill(self.hits.min(2), check_peer);
            let mut contenders = vec![
                self.contender("governor", check_peer),
                self.contender("moving", check_moving),
            ];
            if self.with_gcra {
                self.fill(self.hits.min(2), check_gcra);
                contenders.push(self.contender("gcra", check_gcra));
            }
            let turns = Turns::run(self.turns, self.times, &mut contenders);
            all.append(if self.as_one { turns.as_one() } else { turns });

            let allows = self.rate != TIGHT;
            assert_eq!(check_peer(0), allows, "governor's answer");
            assert_eq!(check_moving(0), allows, "the moving window's answer");
            assert!(!self.with_gcra || check_gcra(0) == allows, "GCRA's answer");
        }
        self.print(&all);
    }

    /// Gives each key this number of hits, each at a time of its own. If they are in a ring, of
    /// three keys one has a hit less, and one has a hit more: a ring takes its hits in blocks of
    /// three, so not each check writes to it.
    fn fill(&self, hits: u32, check: impl Fn(u32) -> bool) {
        let hits_of = |number: u32| {
            let is_in_ring = hits > 10;
            if is_in_ring {
                hits - 1 + number % 3
            } else {
                hits
            }
        };
        // A block fits into the cache, and takes longer than the largest tick of a log, 1 ms.
        const BLOCK: u32 = 25_000;
        for block in 0..self.keys.div_ceil(BLOCK) {
            let start = block * BLOCK;
            for hit in 0..=hits {
                for number in start..self.keys.min(start + BLOCK) {
                    if hit < hits_of(number) {
                        check(number);
                    }
                }
            }
        }
    }

    fn contender<'a>(
        &self,
        name: &'static str,
        check: impl Fn(u32) -> bool + Sync + 'a,
    ) -> Contender<'a> {
        let (keys, order, threads) = (self.keys, self.order, self.threads);
        if threads == 1 {
            let mut numbers = KeyNumbers::new(keys, order, 0);
            return Contender::new(name, move |times| numbers.take(times, &check));
        }
        Contender::on_threads(name, threads, move |thread, range| {
            let seed = range.start * threads as u64 + thread as u64;
            KeyNumbers::new(keys, order, seed).take(range.end - range.start, &check);
        })
    }

    fn print(&self, turns: &Turns) {
        let (nanos, ratio) = (turns.nanos(1), turns.ratio(1, 0));
        print!(
            "{:<28} {:>8.1}  {nanos:>8.1} {ratio:>6.2} {:>6.2} {:<8}",
            self.name,
            turns.nanos(0),
            self.target,
            verdict(ratio, self.target),
        );
        if self.with_gcra {
            print!(" {:>8.1} {:>6.2}", turns.nanos(2), turns.ratio(2, 0));
        }
        println!();
    }
}

/// governor's quota for a rate of N per window, and a burst of N.
fn quota(rate: &Limits) -> Quota {
    let limit = rate.first();
    let burst = NonZeroU32::try_from(limit.count()).unwrap();
    let window = Duration::from_millis(limit.window_millis());
    Quota::with_period(window / burst.get())
        .unwrap()
        .allow_burst(burst)
}

/// A key as governor takes it.
trait PeerKey {
    type Peer: Clone + Eq + Hash;

    fn check(&self, peer: &DefaultKeyedRateLimiter<Self::Peer>) -> bool;
}

impl PeerKey for IpAddr {
    type Peer = Self;

    fn check(&self, peer: &DefaultKeyedRateLimiter<Self>) -> bool {
        check_peer(peer, self)
    }
}

impl PeerKey for &String {
    type Peer = String;

    fn check(&self, peer: &DefaultKeyedRateLimiter<String>) -> bool {
        check_peer(peer, self)
    }
}

/// Eight limits beside one.
fn number_of_limits(name: &str, keys: u32, target: f64) {
    let contender = |name, limits: Limits| {
        let limiter = Limiter::new();
        let mut numbers = KeyNumbers::new(keys, Order::Random, 0);
        Contender::new(name, move |times| {
            numbers.take(times, |number| {
                check(&limiter, &limits, MOVING, address(number))
            });
        })
    };
    let mut contenders = [contender("one", ROOMY), contender("eight", EIGHT)];
    let turns = Turns::run(201, 10_000, &mut contenders);
    let ratio = turns.ratio(1, 0);
    println!(
        "{name:<28} {:>8.1}  {:>8.1} {ratio:>6.2} {target:>6.2} {}",
        turns.nanos(0),
        turns.nanos(1),
        verdict(ratio, target),
    );
}

/// One key with a full log, from 10 to 10^6 hits in a window. The check must take as long whatever
/// the limit is.
fn log_sizes(target: f64) {
    const SIZES: [u64; 9] = [
        10, 100, 1_000, 1_500, 2_000, 5_000, 20_000, 100_000, 1_000_000,
    ];
    let mut contenders: Vec<_> = SIZES.into_iter().flat_map(full_log).collect();
    let turns = Turns::run(101, 5_000, &mut contenders);
    let nanos: Vec<_> = (0..SIZES.len())
        .map(|size| turns.difference(2 * size + 1, 2 * size))
        .collect();
    println!("\nfull log of N per minute: ns per check, under a test clock");
    for (size, nanos) in SIZES.iter().zip(&nanos) {
        println!("N = {size:<8} {nanos:>8.1}");
    }
    let most = nanos.iter().copied().fold(0.0, f64::max);
    let least = nanos.iter().copied().fold(f64::INFINITY, f64::min);
    let ratio = most / least;
    println!(
        "{:<28} {ratio:>6.2} {target:>6.2} {}",
        "most / least",
        verdict(ratio, target)
    );
}

/// Hits at a rate of `size` per minute, all of which are allowed, once the log is full: without
/// the check of the full log, and with it.
///
/// The test clock goes on before each hit. The first check of each millisecond also looks for
/// expired entries, as each hit at a low rate does. So another key is checked first, and what that
/// takes is to be subtracted: what is left is a second check in the same millisecond.
fn full_log(size: u64) -> [Contender<'static>; 2] {
    const MINUTE: Duration = Duration::from_secs(60);
    // The limit is a little above the rate: a hit that is rounded or merged leaves the log later.
    let limit = Limit::per_minute(NonZeroU64::new(size + size / 256 + 1).unwrap());
    let limits = Limits::single(limit);
    let pause = MINUTE / u32::try_from(size).unwrap();
    let limiter_and_clock = || {
        let clock = TestClock::new();
        let limiter = Limiter::builder().clock(clock.clone()).build();
        (limiter, clock)
    };
    let (limiter, clock) = limiter_and_clock();
    let other_hit = move |times: u64| {
        for _ in 0..times {
            clock.advance(pause);
            check(&limiter, &ROOMY, MOVING, address(2));
        }
    };
    other_hit(2 * size + 2_000);
    let without = Contender::new("without", other_hit);
    let (limiter, clock) = limiter_and_clock();
    // Returns how many of the hits were denied.
    let hit = move |times: u64| {
        let denied = (0..times).filter(|_| {
            clock.advance(pause);
            check(&limiter, &ROOMY, MOVING, address(2));
            !check(&limiter, &limits, MOVING, address(1))
        });
        denied.count()
    };
    let denied = hit(2 * size + 2_000);
    if denied > 0 {
        println!("N = {size}: {denied} hits were denied while the log was filled");
    }
    let with = Contender::new(size.to_string(), move |times| {
        hit(times);
    });
    [without, with]
}

fn main() {
    let started = Instant::now();
    let only = std::env::args()
        .nth(1)
        .filter(|part| !part.starts_with("--"));
    let selected = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));

    println!(
        "{:<28} {:>8}  {:>8} {:>6} {:>6} {:<8} {:>8} {:>6}",
        "ns per check", "governor", "moving", "ratio", "target", "", "gcra", "ratio"
    );
    for case in CASES.iter().filter(|case| selected(case.name)) {
        case.measure();
    }

    let limit_cases = [("8 limits, hot key", 1), ("8 limits, 1,000 keys", 1_000)];
    if limit_cases.iter().any(|(name, _)| selected(name)) {
        println!(
            "\n{:<28} {:>8}  {:>8} {:>6} {:>6}",
            "ns per check", "1 limit", "8 limits", "ratio", "target"
        );
    }
    for (name, keys) in limit_cases {
        if selected(name) {
            number_of_limits(name, keys, 2.8);
        }
    }
    if selected("full log") {
        log_sizes(1.2);
    }
    println!("\n{:.0} s in all", started.elapsed().as_secs_f64());
}
