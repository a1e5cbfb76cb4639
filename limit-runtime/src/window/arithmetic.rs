//! Integer arithmetic on times and counts.

use crate::clock::Ticks;
use limit_core::Limit;

/// The window of `limit` in the unit of [`Ticks`].
pub(crate) fn window_micros(limit: Limit) -> u64 {
    limit.window_millis().saturating_mul(1_000)
}

/// The largest value of a counter, which only forced charges can reach: more than any limit allows,
/// and small enough for exact computation in the scripts of a remote store, which count equally.
pub(super) const MAX_USED: u64 = 1 << 50;

/// `a * b / c`, rounded up, without intermediate overflow; `u64::MAX` if the result is larger.
pub(super) fn mul_div_up(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product.div_ceil(c.max(1)),
        None => u64::try_from((u128::from(a) * u128::from(b)).div_ceil(u128::from(c.max(1))))
            .unwrap_or(u64::MAX),
    }
}

/// `a * b / c`, rounded down, without intermediate overflow; `u64::MAX` if the result is larger.
pub(super) fn mul_div_down(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product / c.max(1),
        None => {
            u64::try_from(u128::from(a) * u128::from(b) / u128::from(c.max(1))).unwrap_or(u64::MAX)
        }
    }
}

/// Microseconds from `now` to `at`; zero if `at` is in the past.
pub(crate) fn until(now: Ticks, at: Ticks) -> u64 {
    at.as_micros().saturating_sub(now.as_micros())
}

/// The time `micros` microseconds after `at`.
pub(crate) fn after(at: Ticks, micros: u64) -> Ticks {
    Ticks::from_micros(at.as_micros().saturating_add(micros))
}
