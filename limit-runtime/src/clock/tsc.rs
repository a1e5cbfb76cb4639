//! The operating system's monotonic clock in a third of the time: between two readings of it, the
//! processor's time-stamp counter (TSC) measures the time.
//!
//! The counter is used for at most [`TRUSTED`] after a reading; then the thread reads the operating
//! system again. So the time is never further ahead of the last reading than that, whatever the
//! counter does (another speed after a live migration, another value on another core), and an error
//! of the calibration amounts to nanoseconds.
//!
//! The counter is used only if the kernel's own clock uses it, and while its speed is the same from
//! one hundredth of a second to the next. Otherwise each reading is the operating system's.

use super::calibration::{Reading, TscCalibration, nanos};
use std::{cell::Cell, sync::LazyLock, time::Instant};

/// The clock of the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct TscClock(&'static Process);

#[derive(Debug)]
struct Process {
    began: Instant,
    calibration: TscCalibration,
}

/// Cycles that a reading may take, which is less than a microsecond. Most take a tenth of it.
const MAX_READ_CYCLES: u64 = 2_000;

thread_local! {
    /// The last reading of this thread, so that no thread waits for another. The initial one is too
    /// old to be used.
    static LAST: Cell<Reading> = const { Cell::new(Reading { cycles: 1 << 63, nanos: 0 }) };
}

impl TscClock {
    pub(super) fn of_process() -> Self {
        static PROCESS: LazyLock<Process> = LazyLock::new(|| Process {
            began: Instant::now(),
            calibration: TscCalibration::new(kernel_uses_tsc()),
        });
        Self(&PROCESS)
    }

    /// Nanoseconds since this function was first called in the process.
    #[inline]
    pub(super) fn nanos(self) -> u64 {
        let last = LAST.get();
        match self.0.calibration.nanos(cycles().wrapping_sub(last.cycles)) {
            Some(since) => last.nanos + since,
            None => self.resync(),
        }
    }

    /// Reads the operating system's clock.
    #[cold]
    fn resync(self) -> u64 {
        let Process { began, calibration } = self.0;
        let before = cycles();
        let nanos = nanos(began.elapsed());
        let took = cycles().wrapping_sub(before);
        // If the thread was interrupted in between, time and counter do not belong together: the
        // next call reads again.
        if took < MAX_READ_CYCLES {
            let cycles = before.wrapping_add(took / 2);
            let reading = Reading { cycles, nanos };
            LAST.set(reading);
            calibration.update(reading);
        }
        nanos
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn cycles() -> u64 {
    safe_arch::read_timestamp_counter()
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn cycles() -> u64 {
    0
}

/// Whether the kernel's own clock uses the counter.
fn kernel_uses_tsc() -> bool {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let is_known = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let source = is_known.then(|| std::fs::read_to_string(path).ok());
    let source = source.flatten().unwrap_or_default();
    matches!(source.trim(), "tsc" | "kvm-clock")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nanoseconds: the processor may read the counter out of order, and the cycle length is exact
    /// to one part in a thousand.
    const SLACK: u64 = 2_000;

    #[test]
    fn the_time_is_that_of_the_operating_system() {
        let clock = TscClock::of_process();
        let began = clock.0.began;
        for _ in 0..500_000 {
            let before = nanos(began.elapsed());
            let read = clock.nanos();
            let after = nanos(began.elapsed());
            assert!(
                before <= read + SLACK && read <= after + SLACK,
                "{read} is not within {before}..={after}"
            );
        }
    }

    #[test]
    fn threads_agree() {
        let clock = TscClock::of_process();
        let first = clock.nanos();
        let second = std::thread::spawn(move || clock.nanos()).join().unwrap();
        let third = clock.nanos();
        assert!(first <= second + SLACK && second <= third + SLACK);
    }
}
