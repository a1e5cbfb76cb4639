//! What an attribute has parsed, as constants.

use crate::window::Strategy;
use limit_core::{Limit, Limits};
use std::num::NonZeroU64;
use std::time::Duration;

/// Limits that the attribute has parsed: pairs of a count and a window in milliseconds.
#[must_use]
#[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
pub const fn parsed<const N: usize>(limits: [(u64, u64); N]) -> Limits {
    let mut parsed = [Limit::per_second(NonZeroU64::MIN); N];
    let mut i = 0;
    while i < N {
        let (count, millis) = limits[i];
        match NonZeroU64::new(count) {
            Some(count) => match Limit::new(count, Duration::from_millis(millis)) {
                Ok(limit) => parsed[i] = limit,
                Err(_) => panic!("the attribute parsed a window that the runtime refuses"),
            },
            None => panic!("the attribute parsed a count of zero"),
        }
        i += 1;
    }
    match Limits::new(&parsed) {
        Ok(limits) => limits,
        Err(_) => panic!("the attribute parsed limits that the runtime refuses"),
    }
}

/// GCRA as the attribute says it, where the burst is not zero.
#[must_use]
#[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
pub const fn gcra(burst: u64) -> Strategy {
    match NonZeroU64::new(burst) {
        Some(burst) => Strategy::Gcra { burst },
        None => panic!("the attribute parsed a burst of zero"),
    }
}
