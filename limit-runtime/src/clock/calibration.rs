//! Measures the length of a cycle of the processor's time-stamp counter (TSC).
//!
//! It uses the clock readings that are made anyway, so nothing waits for the calibration.

use parking_lot::Mutex;
use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The time of the operating system, and the value of the counter at this time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) cycles: u64,
    pub(super) nanos: u64,
}

/// How long the counter is used after a reading of the operating system's clock. Such a reading
/// takes about 30 ns, so one per tenth of a millisecond costs next to nothing.
pub(super) const TRUSTED: Duration = Duration::from_micros(100);

/// Converts cycles to nanoseconds. Converts none before the cycle length is known, and if the
/// counter is not usable.
#[derive(Debug)]
pub(super) struct TscCalibration {
    /// The number of cycles after a reading for which the counter is used; 0 for none.
    trusted: AtomicU64,
    /// Nanoseconds per cycle, as a fixed-point number.
    cycle: AtomicU64,
    /// `None` if the counter is not usable.
    measurement: Option<Mutex<Measurement>>,
    /// The time, in nanoseconds, from which a reading can end the span that is being measured.
    span_ends: AtomicU64,
}

/// The span that is being measured, and the result of the last one. A result is used once the next
/// span agrees: a single one may have been measured across a suspension of the machine.
#[derive(Debug, Default)]
struct Measurement {
    start: Option<Reading>,
    cycle: u64,
}

/// Fractional bits of the cycle length.
const FRACTION: u32 = 32;
/// Nanoseconds that a span may last: long enough to be exact, short enough for a busy process to
/// have a reading at its end.
const SPAN: Range<u64> = 10_000_000..1_000_000_000;
/// Two spans agree if their results differ by less than one part in this many.
const AGREEMENT: u64 = 1_000;

impl TscCalibration {
    /// Measures if `is_usable`, else converts nothing.
    pub(super) fn new(is_usable: bool) -> Self {
        Self {
            trusted: AtomicU64::new(0),
            cycle: AtomicU64::new(0),
            measurement: is_usable.then(Mutex::default),
            span_ends: AtomicU64::new(0),
        }
    }

    /// The nanoseconds that this many cycles take; `None` if the counter is not to be used for this
    /// long.
    #[inline]
    pub(super) fn nanos(&self, cycles: u64) -> Option<u64> {
        if cycles >= self.trusted.load(Ordering::Acquire) {
            return None;
        }
        Some((cycles * self.cycle.load(Ordering::Relaxed)) >> FRACTION)
    }

    /// Updates the cycle length from a reading of the clock.
    pub(super) fn update(&self, reading: Reading) {
        // Most readings are within a span. They leave out the lock, which all threads write to.
        if reading.nanos < self.span_ends.load(Ordering::Relaxed) {
            return;
        }
        let Some(mut measurement) = self.measurement.as_ref().and_then(Mutex::try_lock) else {
            return;
        };
        let span = measurement.update(reading);
        let span_ends = measurement
            .start
            .map_or(0, |start| start.nanos + SPAN.start);
        self.span_ends.store(span_ends, Ordering::Relaxed);
        match span {
            Span::Unfinished => {}
            Span::Inconsistent => self.trusted.store(0, Ordering::Release),
            Span::Consistent(cycle) => {
                self.cycle.store(cycle, Ordering::Relaxed);
                let trusted = (nanos(TRUSTED) << FRACTION) / cycle;
                self.trusted.store(trusted, Ordering::Release);
            }
        }
    }
}

/// The result of a span.
enum Span {
    /// None: the span is too short yet, or was too long.
    Unfinished,
    /// The speed differs from that of the last span, as after a migration to another machine.
    Inconsistent,
    /// The cycle length, which equals that of the last span.
    Consistent(u64),
}

impl Measurement {
    fn update(&mut self, reading: Reading) -> Span {
        let start = *self.start.get_or_insert(reading);
        let span = reading.nanos.saturating_sub(start.nanos);
        if span < SPAN.start {
            return Span::Unfinished;
        }
        self.start = Some(reading);
        if span >= SPAN.end {
            return Span::Unfinished;
        }
        let cycles = reading.cycles.saturating_sub(start.cycles);
        let cycle = (span << FRACTION).checked_div(cycles).unwrap_or_default();
        let before = std::mem::replace(&mut self.cycle, cycle);
        if before.abs_diff(cycle) < cycle / AGREEMENT {
            Span::Consistent(cycle)
        } else {
            Span::Inconsistent
        }
    }
}

/// `duration` in nanoseconds. `Duration::as_nanos` has 128 bits, and takes longer than reading the
/// time.
pub(super) fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading of a clock whose cycle takes 0.4 ns.
    fn at(millis: u64) -> Reading {
        Reading {
            cycles: millis * 2_500_000,
            nanos: millis * 1_000_000,
        }
    }

    #[test]
    fn a_cycle_length_is_used_once_two_spans_agree() {
        let calibration = TscCalibration::new(true);
        for millis in [0, 5, 10, 19] {
            calibration.update(at(millis));
            assert_eq!(calibration.nanos(2_500), None);
        }
        calibration.update(at(20));
        assert_eq!(calibration.nanos(2_500), Some(999));
        // A tenth of a millisecond, and not longer.
        assert!(calibration.nanos(249_999).is_some());
        assert_eq!(calibration.nanos(250_001), None);
    }

    #[test]
    fn a_suspended_machine_is_not_measured() {
        let calibration = TscCalibration::new(true);
        calibration.update(at(0));
        // The counter has advanced by an hour, and the clock has not.
        for millis in [10, 20, 30] {
            let Reading { cycles, nanos } = at(millis);
            let cycles = cycles + 3_600 * 2_500_000_000;
            assert_eq!(calibration.nanos(1), None);
            calibration.update(Reading { cycles, nanos });
        }
        assert_eq!(calibration.nanos(2_500), Some(999));
    }

    #[test]
    fn a_change_of_speed_is_noticed_and_measured() {
        let calibration = TscCalibration::new(true);
        for millis in [0, 10, 20] {
            calibration.update(at(millis));
        }
        assert_eq!(calibration.nanos(2_500), Some(999));
        // From here on a cycle is 0.2 ns.
        let faster = |millis| Reading {
            cycles: at(20).cycles + 2 * at(millis).cycles,
            nanos: at(20 + millis).nanos,
        };
        calibration.update(faster(10));
        assert_eq!(calibration.nanos(1), None);
        calibration.update(faster(20));
        assert_eq!(calibration.nanos(5_000), Some(999));
    }

    #[test]
    fn an_idle_process_measures_nothing() {
        let calibration = TscCalibration::new(true);
        for seconds in 0..10 {
            calibration.update(at(2_000 * seconds));
        }
        assert_eq!(calibration.nanos(1), None);
    }

    #[test]
    fn an_unusable_counter_is_never_used() {
        let calibration = TscCalibration::new(false);
        for millis in (0..100).step_by(10) {
            calibration.update(at(millis));
        }
        assert_eq!(calibration.nanos(0), None);
    }

    #[test]
    fn a_counter_that_stops_or_runs_back_is_never_used() {
        let calibration = TscCalibration::new(true);
        for millis in (0..100).step_by(10) {
            let cycles = 1_000 - millis;
            let nanos = at(millis).nanos;
            calibration.update(Reading { cycles, nanos });
            calibration.update(Reading { cycles: 0, nanos });
        }
        assert_eq!(calibration.nanos(0), None);
    }
}
