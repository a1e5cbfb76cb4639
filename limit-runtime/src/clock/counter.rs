//! The operating system's monotonic clock, in a third of the time: between two readings of it, the processor's
//! cycle counter says how much time has passed.
//!
//! The counter is never trusted for longer than [`TRUSTED`]: then the thread reads the operating system again. So whatever the counter
//! does (another speed after a live migration, another value on another core), time is never further ahead of the last reading
//! than that, and what an error of its calibration comes to is nanoseconds. It is used at all only where the kernel
//! makes its own clock of the same counter, having found it steady and alike on all cores; elsewhere each
//! reading is the operating system's.

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
    cycles: quanta::Clock,
    began: Instant,
    /// Of a cycle: nanoseconds in fixed point, with [`FRACTION`] bits behind the point.
    nanos_per_cycle: u64,
    /// How many cycles after a reading the next one is due.
    trusted: u64,
}

/// What the operating system said last, and what the counter showed then.
#[derive(Clone, Copy)]
struct Reading {
    cycles: u64,
    nanos: u64,
}

const FRACTION: u32 = 32;

/// A reading of the operating system is some 30 ns, so one in so many is not felt.
const TRUSTED: Duration = Duration::from_micros(100);

thread_local! {
    /// Each thread has its own, so that none waits for another. The first one counts as long ago.
    static LAST: Cell<Reading> = const { Cell::new(Reading { cycles: 1 << 63, nanos: 0 }) };
}

impl Counter {
    /// Calibrates the counter if nobody did before in this process, which takes a millisecond.
    pub(super) fn of_process() -> Self {
        static PROCESS: LazyLock<Process> = LazyLock::new(Process::new);
        Self(&PROCESS)
    }

    /// Nanoseconds since the process first asked.
    #[inline]
    pub(super) fn nanos(self) -> u64 {
        let cycles = self.0.cycles.raw();
        let last = LAST.get();
        let since = cycles.wrapping_sub(last.cycles);
        if since < self.0.trusted {
            return last.nanos + ((since * self.0.nanos_per_cycle) >> FRACTION);
        }
        self.read_again()
    }

    #[cold]
    fn read_again(self) -> u64 {
        // The counter first: if the thread loses its processor in between, time is late by nothing.
        let cycles = self.0.cycles.raw();
        let nanos = nanos(self.0.began.elapsed());
        LAST.set(Reading { cycles, nanos });
        nanos
    }
}

impl Process {
    fn new() -> Self {
        let cycles = quanta::Clock::new();
        let nanos_per_cycle = cycles.delta_as_nanos(0, 1 << FRACTION).max(1);
        let trusted = if kernel_counts_cycles() {
            (nanos(TRUSTED) << FRACTION) / nanos_per_cycle
        } else {
            0
        };
        Self {
            cycles,
            began: Instant::now(),
            nanos_per_cycle,
            trusted,
        }
    }
}

/// Whether the kernel's own clock is the processor's counter.
fn kernel_counts_cycles() -> bool {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = if cfg!(target_os = "linux") {
        std::fs::read_to_string(path).unwrap_or_default()
    } else {
        String::new()
    };
    matches!(source.trim(), "tsc" | "kvm-clock" | "arch_sys_counter")
}

fn nanos(duration: Duration) -> u64 {
    // `as_nanos` has 128 bits, which take longer than the rest of reading the time.
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibrated_cycle_is_far_below_the_range_of_the_fixed_point() {
        let process = Counter::of_process().0;
        // Nothing overflows however long the counter is trusted.
        let most = process.trusted.checked_mul(process.nanos_per_cycle);
        assert!(most.is_some_and(|nanos| nanos >> FRACTION <= 100_000));
    }

    #[test]
    fn time_stays_with_the_operating_systems_clock() {
        let counter = Counter::of_process();
        let began = counter.0.began;
        for _ in 0..200_000 {
            let before = nanos(began.elapsed());
            let read = counter.nanos();
            let after = nanos(began.elapsed());
            // The counter is read out of order, and calibrated to a few parts in a hundred thousand.
            let slack = 1_000;
            assert!(
                before <= read + slack && read <= after + slack,
                "{read} is not within {before}..={after}"
            );
        }
    }

    #[test]
    fn threads_agree() {
        let counter = Counter::of_process();
        let slack = 1_000;
        let first = counter.nanos();
        let second = std::thread::spawn(move || counter.nanos()).join().unwrap();
        let third = counter.nanos();
        assert!(first <= second + slack && second <= third + slack);
    }
}
