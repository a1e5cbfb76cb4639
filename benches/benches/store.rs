//! One check in memory beside governor's, in interleaved rounds: `cargo bench -p limit-benches --bench store`.
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    missing_docs,
    reason = "these are measurements"
)]

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use limit_benches::{
    check,
    keys::{address, text, uniform, zipf},
    rounds::{Contender, Rounds},
};
use limit_runtime::{Limiter, Limits, Strategy, limits};
use std::{hash::Hash, hint::black_box, net::IpAddr, num::NonZeroU32};

const ROOMY: Limits = limits!("4_000_000_000/minute");
/// Of so short a window that most keys have but a hit or two at a time.
const BRIEF: Limits = limits!("4_000_000_000/second");
const TIGHT: Limits = limits!("1/day");
const SOME: NonZeroU32 = NonZeroU32::new(4_000_000_000).unwrap();

fn governor<K: Clone + Eq + Hash>(quota: Quota) -> DefaultKeyedRateLimiter<K> {
    RateLimiter::keyed(quota)
}

/// Runs `one` over a sequence, going on where it stopped.
fn over<'a>(sequence: &'a [u32], mut one: impl FnMut(u32) + 'a) -> impl FnMut(u64) + 'a {
    let mut place = 0;
    move |times| {
        for _ in 0..times {
            one(sequence[place]);
            place = if place + 1 == sequence.len() {
                0
            } else {
                place + 1
            };
        }
    }
}

fn row(case: &str, rounds: &Rounds, target: f64) {
    let ratio = rounds.ratio(1, 0);
    let verdict = if ratio <= target { "reached" } else { "missed" };
    println!(
        "{case:<30} {:>8.1} {:>8.1} {ratio:>7.2} {target:>7.2} {verdict:<8} {:>8.1}",
        rounds.nanos(0),
        rounds.nanos(1),
        rounds.nanos(2),
    );
}

fn compare(case: &str, limits: &Limits, sequence: &[u32], times: u64, target: f64) {
    let peer = governor::<IpAddr>(Quota::per_minute(SOME));
    let moving = Limiter::builder().max_keys(2_000_000).build();
    let gcra = Limiter::builder().max_keys(2_000_000).build();
    let mut contenders = [
        Contender::new(
            "governor",
            over(sequence, |key| {
                black_box(peer.check_key(&address(key)).is_ok());
            }),
        ),
        Contender::new(
            "moving",
            over(sequence, |key| {
                check(&moving, limits, Strategy::MovingWindow, address(key));
            }),
        ),
        Contender::new(
            "gcra",
            over(sequence, |key| {
                check(&gcra, limits, Strategy::Gcra { burst: SOME }, address(key));
            }),
        ),
    ];
    row(case, &Rounds::of(9, times, &mut contenders), target);
}

fn compare_text(case: &str, sequence: &[u32], keys: u32, times: u64, target: f64) {
    let keys: Vec<String> = (0..keys).map(text).collect();
    let peer = governor::<String>(Quota::per_minute(SOME));
    let moving = Limiter::builder().max_keys(2_000_000).build();
    let gcra = Limiter::builder().max_keys(2_000_000).build();
    let mut contenders = [
        Contender::new(
            "governor",
            over(sequence, |key| {
                black_box(peer.check_key(&keys[key as usize]).is_ok());
            }),
        ),
        Contender::new(
            "moving",
            over(sequence, |key| {
                check(&moving, &ROOMY, Strategy::MovingWindow, &keys[key as usize]);
            }),
        ),
        Contender::new(
            "gcra",
            over(sequence, |key| {
                check(
                    &gcra,
                    &ROOMY,
                    Strategy::Gcra { burst: SOME },
                    &keys[key as usize],
                );
            }),
        ),
    ];
    row(case, &Rounds::of(7, times, &mut contenders), target);
}

fn compare_denied(case: &str, threads: u64, target: f64) {
    let peer =
        governor::<IpAddr>(Quota::with_period(std::time::Duration::from_secs(86_400)).unwrap());
    let moving = Limiter::new();
    let gcra = Limiter::new();
    let one = Strategy::Gcra {
        burst: NonZeroU32::MIN,
    };
    let mut contenders = [
        Contender::new(
            "governor",
            on_threads(threads, || {
                black_box(peer.check_key(&address(1)).is_ok());
            }),
        ),
        Contender::new(
            "moving",
            on_threads(threads, || {
                check(&moving, &TIGHT, Strategy::MovingWindow, address(1));
            }),
        ),
        Contender::new(
            "gcra",
            on_threads(threads, || {
                check(&gcra, &TIGHT, one, address(1));
            }),
        ),
    ];
    row(case, &Rounds::of(9, 1_000_000, &mut contenders), target);
}

fn on_threads<'a>(threads: u64, one: impl Fn() + Sync + 'a) -> impl FnMut(u64) + 'a {
    move |times| {
        if threads == 1 {
            for _ in 0..times {
                one();
            }
            return;
        }
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..times {
                        one();
                    }
                });
            }
        });
    }
}

fn compare_threads(case: &str, sequence: &[u32], times: u64, target: f64) {
    let peer = governor::<IpAddr>(Quota::per_minute(SOME));
    let moving = Limiter::builder().max_keys(2_000_000).build();
    let gcra = Limiter::builder().max_keys(2_000_000).build();
    let spread = |one: &(dyn Fn(u32) + Sync), times: u64| {
        std::thread::scope(|scope| {
            for half in [0, sequence.len() / 2] {
                scope.spawn(move || {
                    let mut place = half;
                    for _ in 0..times {
                        one(sequence[place]);
                        place = if place + 1 == sequence.len() {
                            0
                        } else {
                            place + 1
                        };
                    }
                });
            }
        });
    };
    let peer_hit = |key| {
        black_box(peer.check_key(&address(key)).is_ok());
    };
    let moving_hit = |key| {
        check(&moving, &ROOMY, Strategy::MovingWindow, address(key));
    };
    let gcra_hit = |key| {
        check(&gcra, &ROOMY, Strategy::Gcra { burst: SOME }, address(key));
    };
    let mut contenders = [
        Contender::new("governor", |times| spread(&peer_hit, times)),
        Contender::new("moving", |times| spread(&moving_hit, times)),
        Contender::new("gcra", |times| spread(&gcra_hit, times)),
    ];
    row(case, &Rounds::of(7, times, &mut contenders), target);
}

fn main() {
    let only = std::env::args()
        .nth(1)
        .filter(|case| !case.starts_with("--"));
    let wanted = |case: &str| only.as_deref().is_none_or(|only| case.contains(only));
    println!(
        "{:<30} {:>8} {:>8} {:>7} {:>7} {:<8} {:>8}",
        "ns per check", "governor", "moving", "ratio", "target", "", "gcra"
    );
    let million = 1_000_000;
    if wanted("hot") {
        compare("hot key", &ROOMY, &[1], 2_000_000, 0.6);
    }
    if wanted("thousand") {
        compare(
            "1,000 keys (thousand)",
            &ROOMY,
            &uniform(1_000, 100_000),
            2_000_000,
            0.6,
        );
    }
    if wanted("uniform") {
        let sequence = uniform(million, 4_000_000);
        compare(
            "10^6 uniform, few hits each",
            &BRIEF,
            &sequence,
            2_000_000,
            0.6,
        );
        compare(
            "10^6 uniform, 20 hits each",
            &ROOMY,
            &sequence,
            2_000_000,
            0.6,
        );
    }
    if wanted("zipf") {
        let sequence = zipf(million, 4_000_000);
        compare(
            "10^6 zipf, few hits each",
            &BRIEF,
            &sequence,
            2_000_000,
            0.7,
        );
        compare(
            "10^6 zipf, many hits each",
            &ROOMY,
            &sequence,
            2_000_000,
            0.7,
        );
    }
    if wanted("text") {
        compare_text(
            "10^6 text keys, few hits",
            &uniform(million, 4_000_000),
            million,
            1_000_000,
            0.6,
        );
    }
    if wanted("denied") {
        compare_denied("denied", 1, 0.6);
        compare_denied("denied, 2 threads", 2, 0.7);
    }
    if wanted("threads") {
        compare_threads("hot key, 2 threads", &[1, 1], 1_000_000, 0.7);
        compare_threads(
            "1,000 keys, 2 threads",
            &uniform(1_000, 100_000),
            1_000_000,
            0.7,
        );
        compare_threads(
            "10^6 uniform, 2 threads",
            &uniform(million, 4_000_000),
            1_000_000,
            0.7,
        );
    }
}
