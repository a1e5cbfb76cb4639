//! What keys cost in memory, and the worst single call while new keys flow through:
//! `cargo bench -p limit-benches --bench flow`.
#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "these are measurements"
)]

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use limit_benches::{check, check_peer, keys::address};
use limit_runtime::{Limiter, Limits, Strategy, clock::TestClock, limits};
use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::HashMap,
    hint::black_box,
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, SystemTime},
};
use throttlecrab::{AdaptiveStore, RateLimiter as Throttlecrab};

const MOVING: Strategy = Strategy::MovingWindow;

/// What `make` leaves allocated, divided among `keys`.
fn bytes_per_key<T>(case: &str, keys: u32, make: impl FnOnce() -> T) {
    let mut made = None;
    let counted = allocation_counter::measure(|| made = Some(make()));
    let bytes = counted.bytes_current as f64 / f64::from(keys);
    println!("{bytes:>9.1} bytes per key: {case}");
    drop(made);
}

fn bytes() {
    let keys = 1_000_000;
    bytes_per_key("one hit, 10^6 keys (reach 64)", keys, || {
        let limiter = Limiter::builder().max_keys(1_000_000).build();
        for key in 0..keys {
            check(&limiter, &limits!("100/minute"), MOVING, address(key));
        }
        limiter
    });
    bytes_per_key("governor, 10^6 keys", keys, || {
        let quota = Quota::per_minute(NonZeroU32::new(100).unwrap());
        let peer: DefaultKeyedRateLimiter<IpAddr> = RateLimiter::keyed(quota);
        for key in 0..keys {
            check_peer(&peer, &address(key));
        }
        peer
    });
    bytes_per_key("100 hits of 100/minute (reach 900)", 20_000, || {
        filled(&limits!("100/minute"), 20_000, 100, 100)
    });
    bytes_per_key("100,000/hour filled (reach 10,000)", 1_000, || {
        filled(&limits!("100000/hour"), 1_000, 100_000, 30)
    });
}

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

/// What this thread has computed so far: time that others took does not count.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}

/// The slowest of many calls, in CPU time of this thread. The host of a virtual machine and the
/// kernel still add to it: the empty loop shows how much.
fn flow(name: &str, mut one: impl FnMut(u32)) {
    let calls = 5_000_000;
    let mut worst = Duration::ZERO;
    let mut above = HashMap::new();
    let start = computed();
    let mut last = start;
    for key in 0..calls {
        one(key);
        let now = computed();
        let took = now - last;
        last = now;
        worst = worst.max(took);
        for bound in [50, 200, 1_000] {
            if took > Duration::from_micros(bound) {
                *above.entry(bound).or_insert(0) += 1;
            }
        }
    }
    let count = |bound| above.get(&bound).copied().unwrap_or(0);
    println!(
        "{name:<16} worst {:>9.1} us, above 50 us: {:>4}, 200 us: {:>3}, 1 ms: {:>3}; {:>5.0} ns each",
        worst.as_nanos() as f64 / 1_000.0,
        count(50),
        count(200),
        count(1_000),
        (last - start).as_nanos() as f64 / f64::from(calls),
    );
}

fn main() {
    bytes();
    println!("5 * 10^6 new keys flow through:");
    for _ in 0..3 {
        flow("empty loop", |key| {
            black_box(key);
        });
        let limiter = Limiter::new();
        let limits = limits!("10/second");
        flow("moving window", |key| {
            check(&limiter, &limits, MOVING, address(key));
        });
        println!("  {:?}", limiter.usage());
        let roomy = Limiter::builder().max_keys(10_000_000).build();
        flow("  none dropped", |key| {
            check(&roomy, &limits!("10/day"), MOVING, address(key));
        });
        let quota = Quota::per_second(NonZeroU32::new(10).unwrap());
        let peer: DefaultKeyedRateLimiter<IpAddr> = RateLimiter::keyed(quota);
        flow("governor", |key| {
            check_peer(&peer, &address(key));
            if key % 1_000_000 == 999_999 {
                peer.retain_recent();
            }
        });
        let mut crab = Throttlecrab::new(AdaptiveStore::new());
        flow("throttlecrab", |key| {
            let _ = black_box(crab.rate_limit(
                &address(key).to_string(),
                10,
                10,
                1,
                1,
                SystemTime::now(),
            ));
        });
    }
}
