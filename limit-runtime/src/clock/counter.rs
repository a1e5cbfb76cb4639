//! The operating system's monotonic clock, in a third of the time: between two readings of it, the processor's
//! cycle counter says how much time has passed.
//!
//! The counter is never trusted for longer than [`TRUSTED`]: then the thread reads the operating system again. So time is
//! never further ahead of a reading than that, whatever the counter does (another speed after a live
//! migration, another value on another core), and what an error of its calibration comes to is nanoseconds. It is used at
//! all only where the kernel makes its own clock of the same counter, and while its speed stays the same from one
//! hundredth of a second to the next; elsewhere each reading is the operating system's.

use super::calibration::Calibration;
use std::{
    cell::Cell,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// The process's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter(&'static Process);

#[derive(Debug)]
struct Process {
    began: Instant,
    calibration: Calibration,
}

/// What the operating system said, and what the counter showed then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) cycles: u64,
    pub(super) nanos: u64,
}

/// A reading of the operating system takes some 30 ns, so one in so many is not felt.
pub(super) const TRUSTED: Duration = Duration::from_micros(100);

/// Cycles that a reading may take, which is below a microsecond; most take a tenth of it.
const UNDISTURBED: u64 = 2_000;

thread_local! {
    /// Each thread has its own, so that none waits for another. The first one is as good as none.
    static LAST: Cell<Reading> = const { Cell::new(Reading { cycles: 1 << 63, nanos: 0 }) };
}

impl Counter {
    pub(super) fn of_process() -> Self {
        static PROCESS: LazyLock<Process> = LazyLock::new(|| Process {
            began: Instant::now(),
            calibration: Calibration::new(kernel_counts_cycles()),
        });
        Self(&PROCESS)
    }

    /// Nanoseconds since the process first asked.
    #[inline]
    pub(super) fn nanos(self) -> u64 {
        let last = LAST.get();
        match self.0.calibration.nanos(cycles().wrapping_sub(last.cycles)) {
            Some(since) => last.nanos + since,
            None => self.read_again(),
        }
    }

    #[cold]
    fn read_again(self) -> u64 {
        let Process { began, calibration } = self.0;
        let before = cycles();
        let nanos = nanos(began.elapsed());
        let took = cycles().wrapping_sub(before);
        // If the thread was interrupted meanwhile, nobody knows when: the next one reads again.
        if took < UNDISTURBED {
            let cycles = before.wrapping_add(took / 2);
            let reading = Reading { cycles, nanos };
            LAST.set(reading);
            calibration.learn(reading);
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

/// Whether the kernel's own clock is the processor's counter.
fn kernel_counts_cycles() -> bool {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let is_known = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let source = is_known.then(|| std::fs::read_to_string(path).ok());
    let source = source.flatten().unwrap_or_default();
    matches!(source.trim(), "tsc" | "kvm-clock")
}

pub(super) fn nanos(duration: Duration) -> u64 {
    // `as_nanos` has 128 bits, which take longer than the rest of reading the time.
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nanoseconds: the counter is read out of order, and known to a part in a thousand.
    const SLACK: u64 = 2_000;

    #[test]
    fn time_stays_with_the_operating_systems_clock() {
        let counter = Counter::of_process();
        let began = counter.0.began;
        for _ in 0..500_000 {
            let before = nanos(began.elapsed());
            let read = counter.nanos();
            let after = nanos(began.elapsed());
            assert!(
                before <= read + SLACK && read <= after + SLACK,
                "{read} is not within {before}..={after}"
            );
        }
    }

    #[test]
    fn threads_agree() {
        let counter = Counter::of_process();
        let first = counter.nanos();
        let second = std::thread::spawn(move || counter.nanos()).join().unwrap();
        let third = counter.nanos();
        assert!(first <= second + SLACK && second <= third + SLACK);
    }
}
