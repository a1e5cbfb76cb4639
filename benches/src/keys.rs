//! Keys, and the order in which they are checked.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};
use test_support::random::mix;

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

/// How the next key is chosen. Each key is as likely as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Whatever the answers are: the processor works on several checks at once.
    Random,
    /// By the answer of the check before, so that the processor cannot overlap the cache misses of
    /// two checks. In a server there is a request between them.
    Dependent,
}

/// A linear congruential generator of key numbers.
#[derive(Clone, Copy, Debug)]
pub struct KeyNumbers {
    state: u64,
    keys: u32,
    order: Order,
}

impl KeyNumbers {
    /// Numbers below `keys`. Each seed gives another sequence.
    #[must_use]
    pub const fn new(keys: u32, order: Order, seed: u64) -> Self {
        Self {
            state: mix(seed),
            keys,
            order,
        }
    }

    /// Calls `check` with so many numbers, one after the other.
    #[inline(always)]
    pub fn take(&mut self, times: u64, check: impl Fn(u32) -> bool) {
        for _ in 0..times {
            let number = ((self.state >> 32) * u64::from(self.keys)) >> 32;
            let allowed = check(number as u32);
            if self.order == Order::Dependent {
                self.state ^= u64::from(black_box(allowed));
            }
            self.state = self.state.wrapping_mul(0x5851_F42D_4C95_7F2D);
            self.state = self.state.wrapping_add(0x1405_7B7E_F767_814F);
        }
    }
}
