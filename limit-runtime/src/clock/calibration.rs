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
        if self.trusted.load(Ordering::Relaxed) > 0 {
            return;
        }
        let learnt = self.learning.as_ref().and_then(Mutex::try_lock);
        if let Some(cycle) = learnt.and_then(|mut learning| learning.from(reading)) {
            self.cycle.store(cycle, Ordering::Relaxed);
            let trusted = (nanos(TRUSTED) << FRACTION) / cycle;
            self.trusted.store(trusted, Ordering::Release);
        }
    }
}

impl Learning {
    /// The cycle, once it is known.
    fn from(&mut self, reading: Reading) -> Option<u64> {
        let start = *self.start.get_or_insert(reading);
        let span = reading.nanos.saturating_sub(start.nanos);
        if span < SPAN.start {
            return None;
        }
        self.start = Some(reading);
        let cycles = reading.cycles.checked_sub(start.cycles)?;
        if !SPAN.contains(&span) || cycles == 0 {
            return None;
        }
        let before = std::mem::replace(&mut self.cycle, (span << FRACTION) / cycles);
        let is_sure = before.abs_diff(self.cycle) < self.cycle / AGREEMENT;
        is_sure.then_some(self.cycle)
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
