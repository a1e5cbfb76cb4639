//! What keys cost in memory, the worst single call while new keys flow through, and what remains of
//! expired keys:
//! `cargo bench -p limit-benches --bench flow`.
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "these are measurements"
)]

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, FakeRelativeClock},
    middleware::NoOpMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use limit_benches::{check, check_peer, cpu_time::thread_cpu_time, keys::address, turns::verdict};
use limit_runtime::{Limiter, Limits, Strategy, clock::TestClock, limits};
use std::{
    cell::Cell,
    hint::black_box,
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, SystemTime},
};
use throttlecrab::{AdaptiveStore, RateLimiter as Throttlecrab};

const MOVING: Strategy = Strategy::MovingWindow;

const PER_MINUTE: Limits = limits!("100/minute");

/// Prints what `make` leaves allocated, divided among `keys`.
fn bytes_per_key<T>(case: &str, keys: u32, target: Option<f64>, make: impl FnOnce() -> T) {
    let mut made = None;
    let counted = allocation_counter::measure(|| made = Some(make()));
    let bytes = counted.bytes_current as f64 / f64::from(keys);
    print!("{bytes:>9.1} bytes per key: {case}");
    match target {
        Some(target) => println!(", target {target} {}", verdict(bytes, target)),
        None => println!(),
    }
    drop(made);
}

fn bytes() {
    let million = 1_000_000;
    for (hits, keys, target) in [
        (1, million, 90.0),
        (10, million, 90.0),
        (100, 100_000, 550.0),
    ] {
        let case = format!("{hits} hits of 100/minute, {keys} keys");
        bytes_per_key(&case, keys, Some(target), || {
            filled(&PER_MINUTE, keys, hits, 100)
        });
    }
    bytes_per_key(
        "100,000/hour filled, 1,000 keys",
        1_000,
        Some(10_000.0),
        || filled(&limits!("100000/hour"), 1_000, 100_000, 30),
    );
    bytes_per_key("governor, 1000000 keys", million, None, || {
        let quota = Quota::per_minute(NonZeroU32::new(100).unwrap());
        let peer: DefaultKeyedRateLimiter<IpAddr> = RateLimiter::keyed(quota);
        for key in 0..million {
            check_peer(&peer, &address(key));
        }
        peer
    });
}

/// A limiter with this number of hits of each key, at different times.
fn filled(limits: &Limits, keys: u32, hits: u32, pause: u64) -> Limiter {
    let clock = TestClock::new();
    let limiter = Limiter::builder().clock(clock.clone()).build();
    for _ in 0..hits {
        for key in 0..keys {
            check(&limiter, limits, MOVING, address(key));
        }
        clock.advance(Duration::from_millis(pause));
    }
    limiter
}

/// What many single calls took, in processor time of this thread. The kernel and the host of a
/// virtual machine still add to it: the empty loop shows how much.
#[derive(Default)]
struct Calls {
    count: u32,
    total: Duration,
    worst: Duration,
    /// Calls above each of these bounds.
    above: [(Duration, u32); 3],
}

impl Calls {
    fn measure(count: u32, mut call: impl FnMut(u32)) -> Self {
        let bounds = [50, 250, 1_000].map(Duration::from_micros);
        let mut calls = Self {
            count,
            above: bounds.map(|bound| (bound, 0)),
            ..Self::default()
        };
        let start = thread_cpu_time();
        let mut last = start;
        for number in 0..count {
            call(number);
            let now = thread_cpu_time();
            let took = now - last;
            last = now;
            calls.worst = calls.worst.max(took);
            for (bound, above) in &mut calls.above {
                *above += u32::from(took > *bound);
            }
        }
        calls.total = last - start;
        calls
    }

    fn print(&self, name: &str, target: Option<f64>) {
        let worst = self.worst.as_nanos() as f64 / 1e6;
        print!("{name:<16} worst {worst:>8.3} ms;");
        for (bound, above) in self.above {
            print!(" above {bound:?}: {above};");
        }
        let each = self.total.as_nanos() as f64 / f64::from(self.count);
        print!(" {each:.0} ns each");
        match target {
            Some(target) => println!("; target {target} ms {}", verdict(worst, target)),
            None => println!(),
        }
    }
}

const TARGET_MILLIS: f64 = 0.25;

/// The worst call while new keys arrive.
fn flood() {
    const KEYS: u32 = 3_000_000;
    Calls::measure(KEYS, |key| {
        black_box(key);
    })
    .print("empty loop", None);

    let limiter = Limiter::new();
    Calls::measure(KEYS, |key| {
        check(&limiter, &limits!("10/second"), MOVING, address(key));
    })
    .print("moving window", Some(TARGET_MILLIS));
    println!("  {:?}", limiter.usage());
    drop(limiter);

    let roomy = Limiter::builder().max_keys(10_000_000).build();
    Calls::measure(KEYS, |key| {
        check(&roomy, &limits!("10/day"), MOVING, address(key));
    })
    .print("  none dropped", Some(TARGET_MILLIS));
    drop(roomy);

    let quota = Quota::per_second(NonZeroU32::new(10).unwrap());
    let peer: DefaultKeyedRateLimiter<IpAddr> = RateLimiter::keyed(quota);
    Calls::measure(KEYS, |key| {
        check_peer(&peer, &address(key));
        if key % 1_000_000 == 999_999 {
            peer.retain_recent();
        }
    })
    .print("governor", None);
}

/// The peer with the slowest calls gets fewer of them.
fn flood_throttlecrab() {
    let mut crab = Throttlecrab::new(AdaptiveStore::new());
    Calls::measure(500_000, |key| {
        let now = SystemTime::now();
        let _ = black_box(crab.rate_limit(&address(key).to_string(), 10, 10, 1, 1, now));
    })
    .print("throttlecrab", None);
}

const EXPIRED: u32 = 1_000_000;

/// What remains of 10^6 expired keys after 4,000 further checks, and the worst of these.
fn memory_comes_back() {
    let clock = TestClock::new();
    let limiter = Limiter::builder().clock(clock.clone()).build();
    comes_back(
        "moving window",
        Some(TARGET_MILLIS),
        &limiter,
        |limiter, key| {
            check(limiter, &PER_MINUTE, MOVING, address(key));
        },
        |pause| clock.advance(pause),
    );
    println!("  {:?}", limiter.usage());

    // governor removes keys only on request, and all at once: here, after the keys have expired.
    let clock = FakeRelativeClock::default();
    let quota = Quota::per_minute(NonZeroU32::new(100).unwrap());
    let peer: Peer = RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
    let swept = Cell::new(false);
    comes_back(
        "governor",
        None,
        &peer,
        |peer, key| {
            let _ = black_box(peer.check_key(&address(key)));
            if key == EXPIRED && !swept.replace(true) {
                peer.retain_recent();
                peer.shrink_to_fit();
            }
        },
        |pause| clock.advance(pause),
    );
}

type Peer = RateLimiter<
    IpAddr,
    DefaultKeyedStateStore<IpAddr>,
    FakeRelativeClock,
    NoOpMiddleware<<FakeRelativeClock as Clock>::Instant>,
>;

/// Checks 10^6 keys, lets them expire, and makes 4,000 checks of ten others. `check` gets the
/// number of a key.
fn comes_back<L>(
    name: &str,
    target: Option<f64>,
    limiter: &L,
    check: impl Fn(&L, u32),
    advance: impl Fn(Duration),
) {
    let filled = allocation_counter::measure(|| {
        (0..EXPIRED).for_each(|key| check(limiter, key));
    });
    advance(Duration::from_secs(61));
    let mut calls = Calls::default();
    let changed = allocation_counter::measure(|| {
        calls = Calls::measure(4_000, |number| {
            advance(Duration::from_millis(1));
            check(limiter, EXPIRED + number % 10);
        });
    });
    let (before, after) = (
        filled.bytes_current,
        filled.bytes_current + changed.bytes_current,
    );
    calls.print(name, target);
    println!("  {before} bytes for 10^6 keys, {after} after the checks");
}

fn main() {
    bytes();
    for _ in 0..3 {
        println!("\n3 * 10^6 new keys:");
        flood();
    }
    println!("\n500,000 new keys:");
    flood_throttlecrab();
    println!("\n10^6 expired keys, then 4,000 checks, 1 ms apart:");
    memory_comes_back();
}
