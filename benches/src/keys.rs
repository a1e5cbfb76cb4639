//! Sequences of keys.

use std::net::{IpAddr, Ipv4Addr};

/// A small generator of random numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
}

/// A bijection that leaves no order.
#[must_use]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

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
    let mut random = Random(7);
    (0..len)
        .map(|_| ((u128::from(random.bits()) * u128::from(keys)) >> 64) as u32)
        .collect()
}

/// `len` numbers below `keys`, the n-th as likely as 1/n.
#[must_use]
pub fn zipf(keys: u32, len: usize) -> Vec<u32> {
    let mut random = Random(11);
    let mut sums = Vec::with_capacity(keys as usize);
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += 1.0 / f64::from(rank);
        sums.push(sum);
    }
    (0..len)
        .map(|_| {
            let wanted = random.bits() as f64 / u64::MAX as f64 * sum;
            let rank = sums.partition_point(|&sum| sum < wanted) as u32;
            // Neighbours in rank are no neighbours in memory.
            (rank.wrapping_mul(0x9E37_79B1)) % keys
        })
        .collect()
}
