//! One check in memory beside governor's, in interleaved rounds:
//! `cargo bench -p limit-benches --bench store`.
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    missing_docs,
    reason = "these are measurements"
)]

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use limit_benches::{
    check, check_peer,
    keys::{address, text, uniform, zipf},
    rounds::{Contender, Rounds},
};
use limit_runtime::{IntoKey, Limiter, Limits, Strategy, limits};
use std::{hash::Hash, num::NonZeroU32, time::Duration};

const ROOMY: Limits = limits!("4_000_000_000/minute");
/// Of so short a window that most keys have but a hit or two at a time.
const BRIEF: Limits = limits!("4_000_000_000/second");
const TIGHT: Limits = limits!("1/day");
const SOME: NonZeroU32 = NonZeroU32::new(4_000_000_000).unwrap();

/// What is asked, of whom, and by how many threads.
struct Case<'a> {
    name: &'a str,
    limits: &'a Limits,
    /// Numbers of keys, in the order in which they come.
    sequence: &'a [u32],
    threads: usize,
    times: u64,
    /// What part of governor's time is aimed at.
    target: f64,
}

impl Case<'_> {
    fn by_address(&self) {
        self.compare(address);
    }

    /// The keys are made before the time is taken.
    fn by_text(&self, keys: u32) {
        let keys: Vec<String> = (0..keys).map(text).collect();
        self.compare(|number| &keys[number as usize]);
    }

    fn compare<K>(&self, key: impl Fn(u32) -> K + Sync)
    where
        K: IntoKey + PeerKey<Peer: Send + Sync>,
    {
        let (quota, burst) = if *self.limits == TIGHT {
            let day = Duration::from_secs(86_400);
            (Quota::with_period(day).unwrap(), NonZeroU32::MIN)
        } else {
            (Quota::per_minute(SOME), SOME)
        };
        let peer: DefaultKeyedRateLimiter<K::Peer> = RateLimiter::keyed(quota);
        let [moving, gcra] = [(); 2].map(|()| Limiter::builder().max_keys(2_000_000).build());
        let hit_peer = |number| {
            key(number).check(&peer);
        };
        let hit_moving = |number| {
            check(&moving, self.limits, Strategy::MovingWindow, key(number));
        };
        let hit_gcra = |number| {
            let burst = burst.into();
            check(&gcra, self.limits, Strategy::Gcra { burst }, key(number));
        };
        let mut contenders = [
            Contender::new("governor", self.running(&hit_peer)),
            Contender::new("moving", self.running(&hit_moving)),
            Contender::new("gcra", self.running(&hit_gcra)),
        ];
        let rounds = Rounds::of(9, self.times, &mut contenders);
        print!("{:<30} {:>8.1}", self.name, rounds.nanos(0));
        for contender in [1, 2] {
            let ratio = rounds.ratio(contender, 0);
            let verdict = if ratio <= self.target {
                "reached"
            } else {
                "missed"
            };
            let nanos = rounds.nanos(contender);
            print!("  {nanos:>8.1} {ratio:>6.2} {verdict:<8}");
        }
        println!(" {:>6.2}", self.target);
    }

    /// Runs `one` over the sequence, so many times on each thread, each of which begins elsewhere.
    fn running<'s>(&'s self, one: &'s (impl Fn(u32) + Sync)) -> impl FnMut(u64) + 's {
        let mut place = 0;
        let run = move |start: usize, times: u64| {
            let mut place = start;
            for _ in 0..times {
                one(self.sequence[place]);
                place = if place + 1 == self.sequence.len() {
                    0
                } else {
                    place + 1
                };
            }
            place
        };
        move |times| {
            if self.threads == 1 {
                place = run(place, times);
                return;
            }
            std::thread::scope(|scope| {
                for thread in 0..self.threads {
                    scope.spawn(move || run(self.sequence.len() * thread / self.threads, times));
                }
            });
        }
    }
}

/// A key as governor takes it.
trait PeerKey {
    type Peer: Clone + Eq + Hash;

    fn check(&self, peer: &DefaultKeyedRateLimiter<Self::Peer>);
}

impl PeerKey for std::net::IpAddr {
    type Peer = Self;

    fn check(&self, peer: &DefaultKeyedRateLimiter<Self>) {
        check_peer(peer, self);
    }
}

impl PeerKey for &String {
    type Peer = String;

    fn check(&self, peer: &DefaultKeyedRateLimiter<String>) {
        check_peer(peer, self);
    }
}

fn main() {
    let only = std::env::args()
        .nth(1)
        .filter(|case| !case.starts_with("--"));
    println!(
        "{:<30} {:>8}  {:>8} {:>6} {:<8}  {:>8} {:>6} {:<8} {:>6}",
        "ns per check", "governor", "moving", "ratio", "", "gcra", "ratio", "", "target"
    );
    let (million, thousand) = (uniform(1_000_000, 4_000_000), uniform(1_000, 100_000));
    let skewed = zipf(1_000_000, 4_000_000);
    let case = |name, limits, sequence, threads, target| {
        let times = 2_000_000 / threads as u64;
        let case = Case {
            name,
            limits,
            sequence,
            threads,
            times,
            target,
        };
        only.as_deref()
            .is_none_or(|only| name.contains(only))
            .then_some(case)
    };
    let cases = [
        case("hot key", &ROOMY, &[1], 1, 0.6),
        case("1,000 keys", &ROOMY, &thousand, 1, 0.6),
        case("10^6 uniform, few hits each", &BRIEF, &million, 1, 0.6),
        case("10^6 uniform, many hits each", &ROOMY, &million, 1, 0.6),
        case("10^6 zipf, few hits each", &BRIEF, &skewed, 1, 0.7),
        case("10^6 zipf, many hits each", &ROOMY, &skewed, 1, 0.7),
        case("denied", &TIGHT, &[1], 1, 0.6),
        case("denied, 1,000 keys", &TIGHT, &thousand, 1, 0.6),
        case("denied, 2 threads", &TIGHT, &[1, 1], 2, 0.7),
        case("hot key, 2 threads", &ROOMY, &[1, 1], 2, 0.7),
        case("1,000 keys, 2 threads", &ROOMY, &thousand, 2, 0.7),
        case("10^6 uniform, 2 threads", &BRIEF, &million, 2, 0.7),
    ];
    cases.iter().flatten().for_each(Case::by_address);
    let texts = [
        case("10^6 texts, few hits each", &BRIEF, &million, 1, 0.6),
        case("10^6 texts, many hits each", &ROOMY, &million, 1, 0.6),
    ];
    texts
        .iter()
        .flatten()
        .for_each(|case| case.by_text(1_000_000));
}
