//! Sequences of keys.

use std::net::{IpAddr, Ipv4Addr};
use test_support::random::{Random, mix};

/// The address of client `number`.
#[must_use]
pub fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(number.wrapping_mul(0x9E37_79B1)))
}

/// The API key of client `number`.
#[must_use]
pub fn text(number: u32) -> String {
    format!("sk-{:016x}{number:08x}", mix(number.into()))
}

/// `len` numbers below `keys`, all equally likely.
#[must_use]
pub fn uniform(keys: u32, len: usize) -> Vec<u32> {
    let mut random = Random::new(7);
    (0..len).map(|_| random.below(keys.into()) as u32).collect()
}

/// `len` numbers below `keys`, the n-th as likely as 1/n.
#[must_use]
pub fn zipf(keys: u32, len: usize) -> Vec<u32> {
    let mut random = Random::new(11);
    let mut sums = Vec::with_capacity(keys as usize);
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += 1.0 / f64::from(rank);
        sums.push(sum);
    }
    (0..len)
        .map(|_| {
            let wanted = random.next_u64() as f64 / u64::MAX as f64 * sum;
            let rank = sums.partition_point(|&sum| sum < wanted) as u32;
            // Neighbours in rank are no neighbours in memory.
            (rank.wrapping_mul(0x9E37_79B1)) % keys
        })
        .collect()
}
