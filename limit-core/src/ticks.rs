//! Ticks, in which logs of the moving window count time.

use crate::limit::Limit;

/// The tick length and the longest window of some limits. Each [`Limits`](crate::Limits) has it
/// ready, so that a check does not compute it.
///
/// A tick is 2^k microseconds, with the smallest k for which the longest window has less than 2^31
/// ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scale {
    /// A tick is 2^`shift` microseconds.
    pub shift: u8,
    /// The longest window, in ticks.
    pub horizon: u32,
}

impl Scale {
    /// The scale of limits of which the longest window is this one.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it is below 34")]
    pub(crate) const fn of_window(millis: u64) -> Self {
        let micros = millis * 1_000;
        // A 2^30th is added so that the window rounded up to ticks is below 2^31, too.
        let bits = u64::BITS - (micros + (micros >> 30)).leading_zeros();
        let shift = bits.saturating_sub(31) as u8;
        Self {
            shift,
            horizon: to_ticks(micros, shift),
        }
    }

    /// The window of a limit in ticks, rounded up. It must not be longer than that of the scale.
    #[must_use]
    #[inline]
    pub const fn ticks(self, limit: Limit) -> u32 {
        to_ticks(limit.window_millis() * 1_000, self.shift)
    }
}

/// Microseconds in ticks of 2^`shift` microseconds, rounded up.
#[must_use]
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "differences survive wrap-around"
)]
pub const fn to_ticks(micros: u64, shift: u8) -> u32 {
    round_up(micros, shift) as u32
}

/// Microseconds in ticks, rounded up, without a loss of upper bits.
#[must_use]
#[inline]
pub const fn round_up(micros: u64, shift: u8) -> u64 {
    (micros + (1 << shift) - 1) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, MAX_WINDOW};
    use core::{num::NonZeroU64, time::Duration};

    #[test]
    fn the_longest_window_has_between_2_to_the_30_and_2_to_the_31_ticks() {
        let longest = u64::try_from(MAX_WINDOW.as_millis()).unwrap();
        let near = (0..49).flat_map(|bits| {
            let near = (1_u64 << bits) / 1_000;
            [near.saturating_sub(1), near, near + 1, near + 2]
        });
        for millis in near.chain([longest]).filter(|&ms| 0 < ms && ms <= longest) {
            let window = Duration::from_millis(millis);
            let limit = Limit::new(NonZeroU64::MIN, window).unwrap();
            let scale = Limits::single(limit).scale();
            assert!(scale.horizon < 1 << 31, "{millis}");
            assert!(scale.shift == 0 || scale.horizon >= 1 << 30, "{millis}");
            assert_eq!(scale.ticks(limit), scale.horizon);
        }
    }

    #[test]
    fn the_scale_is_that_of_the_longest_window_wherever_it_is_declared() {
        let day = Limits::parse("10/day").unwrap().scale();
        for text in [
            "1/second; 10/day",
            "10/day; 1/second",
            "1/s; 10/day; 5/hour",
        ] {
            assert_eq!(Limits::parse(text).unwrap().scale(), day, "{text}");
        }
    }
}
