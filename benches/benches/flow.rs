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
use limit_benches::{check, keys::address};
use limit_runtime::{Limiter, Limits, Strategy, clock::TestClock, limits};
use std::{
    collections::HashMap,
    hint::black_box,
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant, SystemTime},
};
use throttlecrab::{AdaptiveStore, RateLimiter as Throttlecrab};

const MOVING: Strategy = Strategy::MovingWindow;

/// Resident bytes, from the kernel.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

fn bytes_per_key() {
    let keys = 1_000_000;
    let before = resident();
    let limiter = Limiter::builder().max_keys(1_000_000).build();
    let limits = limits!("100/minute");
    for key in 0..keys {
        check(&limiter, &limits, MOVING, address(key));
    }
    let taken = (resident() - before) as f64;
    println!(
        "bytes per key, one hit, 10^6 keys: {:.1} (reach 64), {:?}",
        taken / f64::from(keys),
        limiter.usage()
    );

    let before = resident();
    let quota = Quota::per_minute(NonZeroU32::new(100).unwrap());
    let peer: DefaultKeyedRateLimiter<IpAddr> = RateLimiter::keyed(quota);
    for key in 0..keys {
        black_box(peer.check_key(&address(key)).is_ok());
    }
    let taken = (resident() - before) as f64;
    println!("  governor: {:.1}", taken / f64::from(keys));

    full_logs(
        "100 hits of 100/minute",
        limits!("100/minute"),
        20_000,
        100,
        100,
        900,
    );
    full_logs(
        "100,000/hour filled",
        limits!("100000/hour"),
        1_000,
        100_000,
        30,
        10_000,
    );
    drop((limiter, peer));
}

fn full_logs(case: &str, limits: Limits, keys: u32, hits: u32, pause: u64, reach: u32) {
    let clock = TestClock::new();
    let before = resident();
    let limiter = Limiter::builder().clock(clock.clone()).build();
    for _ in 0..hits {
        for key in 0..keys {
            check(&limiter, &limits, MOVING, address(key));
        }
        clock.advance(Duration::from_millis(pause));
    }
    let taken = (resident().saturating_sub(before)) as f64;
    println!(
        "bytes per key, {case}: {:.0} (reach {reach})",
        taken / f64::from(keys)
    );
}

/// The worst calls among many: the scheduler takes the processor away now and then, so the number of calls above
/// a bound says more than the single worst.
fn flow(name: &str, mut one: impl FnMut(u32)) {
    let calls = 5_000_000;
    let mut worst = Duration::ZERO;
    let mut above = HashMap::new();
    let start = Instant::now();
    let mut last = start;
    for key in 0..calls {
        one(key);
        let now = Instant::now();
        let took = now - last;
        last = now;
        worst = worst.max(took);
        for bound in [50, 200, 1_000, 5_000] {
            if took > Duration::from_micros(bound) {
                *above.entry(bound).or_insert(0) += 1;
            }
        }
    }
    let count = |bound| above.get(&bound).copied().unwrap_or(0);
    println!(
        "{name:<16} worst {:>9.1} us, above 50 us: {:>4}, 200 us: {:>3}, 1 ms: {:>3}, 5 ms: {:>3}; {:>5.0} ns each",
        worst.as_nanos() as f64 / 1_000.0,
        count(50),
        count(200),
        count(1_000),
        count(5_000),
        (last - start).as_nanos() as f64 / f64::from(calls),
    );
}

fn main() {
    bytes_per_key();
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
            black_box(peer.check_key(&address(key)).is_ok());
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
