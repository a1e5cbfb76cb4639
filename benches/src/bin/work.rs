//! A number of checks of one kind and nothing else, to be counted by callgrind: `work hot 1000`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a measurement")]

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use limit_benches::{EIGHT, check, check_peer, keys::address};
use limit_runtime::{Limiter, Limits, Strategy, limits};
use std::{net::IpAddr, num::NonZeroU32};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().unwrap();
    let times: u32 = arguments.next().unwrap().parse().unwrap();
    let (limits, keys): (Limits, u32) = match case.as_str() {
        "hot" => (limits!("4_000_000_000/minute"), 1),
        "many" => (limits!("4_000_000_000/minute"), 1_000),
        "two" => (limits!("100_000_000/second; 4_000_000_000/minute"), 1_000),
        "denied" => (limits!("1/day"), 1),
        "new" => (limits!("10/minute"), u32::MAX),
        "eight" => (EIGHT, 1_000),
        "growing" => (limits!("1_000/day"), 100),
        "governor" => {
            let quota = Quota::per_minute(NonZeroU32::MAX);
            let peer: DefaultKeyedRateLimiter<IpAddr> = RateLimiter::keyed(quota);
            for _ in 0..times {
                check_peer(&peer, &address(1));
            }
            return;
        }
        other => panic!("{other}: hot, many, two, eight, denied, new, growing or governor"),
    };
    let limiter = Limiter::new();
    for number in 0..times {
        check(
            &limiter,
            &limits,
            Strategy::MovingWindow,
            address(number % keys),
        );
    }
}
