//! Ticks of a log: its times have 32 bits, whatever its windows are.
//!
//! A tick is 2^k microseconds, with the smallest k for which the longest window has less than 2^31
//! ticks: one microsecond for windows of up to 35 minutes, 64 microseconds for a day. Hits and
//! windows are rounded up to whole ticks, so a hit counts for up to two ticks longer than its
//! window, which is less than a 2^29th of the longest window, and never shorter.
//!
//! A log forgets a hit once it is older than the longest window, and is dropped as a whole once
//! this is true of all hits. So the ages of its hits stay below 2^32 ticks, and the difference of
//! two times is unambiguous although they wrap around.

pub(crate) use limit_core::ticks::Scale;
pub(super) use limit_core::ticks::{round_up, to_ticks};

/// The lower 32 bits.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "differences survive wrap-around"
)]
pub(super) const fn low(ticks: u64) -> u32 {
    ticks as u32
}

/// The latest time at which logs work, in microseconds: 36,000 years. Later times count as this
/// one.
pub(crate) const END_OF_TIME: u64 = 1 << 60;

/// The present time in ticks of a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The end of the current tick.
    full: u64,
    /// Its lower 32 bits: the time of a hit that is recorded now.
    pub(super) stamp: u32,
    /// From now to the end of the current tick, in microseconds.
    ahead: u64,
    shift: u8,
}

impl Now {
    /// `micros` must be at most [`END_OF_TIME`].
    #[inline]
    pub(super) fn new(micros: u64, shift: u8) -> Self {
        let full = round_up(micros, shift);
        Self {
            full,
            stamp: low(full),
            ahead: (full << shift) - micros,
            shift,
        }
    }

    /// Ticks from a hit to the end of the current tick.
    #[inline]
    pub(super) fn age(self, at: u32) -> u32 {
        self.stamp.wrapping_sub(at)
    }

    /// The age at which a hit has left a window of this length.
    #[inline]
    pub(super) fn leaves_at(self, window: u32) -> u32 {
        window + u32::from(self.ahead > 0)
    }

    /// Whether a hit has left a window of this length.
    #[inline]
    pub(super) fn has_left(self, at: u32, window: u32) -> bool {
        self.age(at) >= self.leaves_at(window)
    }

    /// Microseconds until a hit leaves a window of this length.
    #[inline]
    pub(super) fn until(self, at: u32, window: u32) -> u64 {
        (u64::from(window.saturating_sub(self.age(at))) << self.shift) + self.ahead
    }

    /// The microsecond at which a hit leaves a window of this length.
    #[inline]
    pub(super) fn end_of(self, at: u32, window: u32) -> u64 {
        (self.full + u64::from(window) - u64::from(self.age(at))) << self.shift
    }

    /// The time of a hit in coarser ticks of 2^`shift` microseconds, rounded up.
    pub(super) fn coarsened(self, at: u32, shift: u8) -> u32 {
        to_ticks(self.full - u64::from(self.age(at)), shift - self.shift)
    }

    /// The time of a hit that was recorded at the microsecond `at`; `None` if it is in the future.
    pub(super) fn stamp_of(self, at: u64) -> Option<u32> {
        let ticks = round_up(at, self.shift);
        let age = self.full.checked_sub(ticks)?;
        u32::try_from(age).ok().map(|_| low(ticks))
    }

    /// Microseconds from the time of a hit to now; zero for a hit of the current tick.
    pub(super) fn micros_since(self, at: u32) -> u64 {
        (u64::from(self.age(at)) << self.shift).saturating_sub(self.ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_leaves_when_its_window_is_over_and_not_a_microsecond_sooner() {
        for shift in [0, 1, 6, 18] {
            let window = 1_000;
            for recorded in [5_000_000_000_u64, 5_000_000_001, 5_000_262_143] {
                let at = Now::new(recorded, shift).stamp;
                let end = Now::new(recorded, shift).end_of(at, window);
                for now in [recorded, end - 1, end, end + 1] {
                    let present = Now::new(now, shift);
                    assert_eq!(present.has_left(at, window), now >= end);
                    if now < end {
                        assert_eq!(present.until(at, window), end - now);
                        assert_eq!(present.end_of(at, window), end);
                    }
                }
            }
        }
    }
}
