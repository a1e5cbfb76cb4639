//! What an attribute has parsed, as constants.

use crate::window::Strategy;
use std::num::NonZeroU64;

/// GCRA as the attribute says it, where the burst is not zero.
#[must_use]
#[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
pub const fn gcra(burst: u64) -> Strategy {
    match NonZeroU64::new(burst) {
        Some(burst) => Strategy::Gcra { burst },
        None => panic!("the attribute parsed a burst of zero"),
    }
}
