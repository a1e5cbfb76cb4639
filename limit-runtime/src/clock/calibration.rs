//! How long a cycle of the processor's counter is: learnt from the readings of the clock that are made anyway, so that
//! nothing waits for it.

use super::counter::{Reading, TRUSTED, nanos};
use parking_lot::Mutex;
use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// Until it is known, and where the counter is not to be used, no number of cycles is any time.
#[derive(Debug)]
pub(super) struct Calibration {
    /// For so many cycles after a reading the counter is trusted.
    trusted: AtomicU64,
    /// Nanoseconds of a cycle, in fixed point.
    cycle: AtomicU64,
    learning: Option<Mutex<Learning>>,
}

/// A cycle is believed once two spans in a row agree on it: one alone may have been measured over a suspended machine.
#[derive(Debug, Default)]
struct Learning {
    start: Option<Reading>,
    cycle: u64,
}

/// Bits behind the point.
const FRACTION: u32 = 32;
/// Nanoseconds: long enough to be exact, and short enough that a busy process need not wait for it.
const SPAN: Range<u64> = 10_000_000..1_000_000_000;
/// Two spans agree if they differ by less than one part in so many.
const AGREEMENT: u64 = 1_000;

impl Calibration {
    /// One that learns if `is_usable`, and one that never does if not.
    pub(super) fn new(is_usable: bool) -> Self {
        Self {
            trusted: AtomicU64::new(0),
            cycle: AtomicU64::new(0),
            learning: is_usable.then(Mutex::default),
        }
    }

    /// How many nanoseconds so many cycles take; `None` if the counter is not trusted for so long.
    #[inline]
    pub(super) fn nanos(&self, cycles: u64) -> Option<u64> {
        if cycles >= self.trusted.load(Ordering::Acquire) {
            return None;
        }
        Some((cycles * self.cycle.load(Ordering::Relaxed)) >> FRACTION)
    }

    /// Learns from a reading of the clock.
    pub(super) fn learn(&self, reading: Reading) {
        let Some(mut learning) = self.learning.as_ref().and_then(Mutex::try_lock) else {
            return;
        };
        match learning.from(reading) {
            Span::Open => {}
            Span::Odd => self.trusted.store(0, Ordering::Release),
            Span::Agrees(cycle) => {
                self.cycle.store(cycle, Ordering::Relaxed);
                let trusted = (nanos(TRUSTED) << FRACTION) / cycle;
                self.trusted.store(trusted, Ordering::Release);
            }
        }
    }
}

/// What the time since the last span says.
enum Span {
    /// Nothing: too short yet, or too long.
    Open,
    /// Another speed than the one before, as after a migration to another machine.
    Odd,
    /// A cycle of the same length.
    Agrees(u64),
}

impl Learning {
    fn from(&mut self, reading: Reading) -> Span {
        let start = *self.start.get_or_insert(reading);
        let span = reading.nanos.saturating_sub(start.nanos);
        if span < SPAN.start {
            return Span::Open;
        }
        self.start = Some(reading);
        if span >= SPAN.end {
            return Span::Open;
        }
        let cycles = reading.cycles.saturating_sub(start.cycles);
        let cycle = (span << FRACTION).checked_div(cycles).unwrap_or_default();
        let before = std::mem::replace(&mut self.cycle, cycle);
        if before.abs_diff(cycle) < cycle / AGREEMENT {
            Span::Agrees(cycle)
        } else {
            Span::Odd
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings of a clock of which a cycle is 0.4 ns.
    fn at(millis: u64) -> Reading {
        Reading {
            cycles: millis * 2_500_000,
            nanos: millis * 1_000_000,
        }
    }

    #[test]
    fn a_cycle_is_believed_once_two_spans_agree() {
        let calibration = Calibration::new(true);
        for millis in [0, 5, 10, 19] {
            calibration.learn(at(millis));
            assert_eq!(calibration.nanos(2_500), None);
        }
        calibration.learn(at(20));
        assert_eq!(calibration.nanos(2_500), Some(999));
        // A tenth of a millisecond, and no longer.
        assert!(calibration.nanos(249_999).is_some());
        assert_eq!(calibration.nanos(250_001), None);
    }

    #[test]
    fn a_suspended_machine_is_not_measured() {
        let calibration = Calibration::new(true);
        calibration.learn(at(0));
        // The counter went on for an hour in which the clock stood still.
        for millis in [10, 20, 30] {
            let Reading { cycles, nanos } = at(millis);
            let cycles = cycles + 3_600 * 2_500_000_000;
            assert_eq!(calibration.nanos(1), None);
            calibration.learn(Reading { cycles, nanos });
        }
        assert_eq!(calibration.nanos(2_500), Some(999));
    }

    #[test]
    fn another_speed_is_noticed_and_learnt() {
        let calibration = Calibration::new(true);
        for millis in [0, 10, 20] {
            calibration.learn(at(millis));
        }
        assert_eq!(calibration.nanos(2_500), Some(999));
        // From here on a cycle is 0.2 ns.
        let faster = |millis| Reading {
            cycles: at(20).cycles + 2 * at(millis).cycles,
            nanos: at(20 + millis).nanos,
        };
        calibration.learn(faster(10));
        assert_eq!(calibration.nanos(1), None);
        calibration.learn(faster(20));
        assert_eq!(calibration.nanos(5_000), Some(999));
    }

    #[test]
    fn an_idle_process_learns_nothing() {
        let calibration = Calibration::new(true);
        for seconds in 0..10 {
            calibration.learn(at(2_000 * seconds));
        }
        assert_eq!(calibration.nanos(1), None);
    }

    #[test]
    fn a_counter_that_is_not_to_be_used_never_is() {
        let calibration = Calibration::new(false);
        for millis in (0..100).step_by(10) {
            calibration.learn(at(millis));
        }
        assert_eq!(calibration.nanos(0), None);
    }

    #[test]
    fn a_counter_that_stands_still_or_falls_is_never_used() {
        let calibration = Calibration::new(true);
        for millis in (0..100).step_by(10) {
            let cycles = 1_000 - millis;
            let nanos = at(millis).nanos;
            calibration.learn(Reading { cycles, nanos });
            calibration.learn(Reading { cycles: 0, nanos });
        }
        assert_eq!(calibration.nanos(0), None);
    }
}
