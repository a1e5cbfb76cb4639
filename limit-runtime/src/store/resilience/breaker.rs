//! Circuit breaker: stops calls to a store that keeps failing.
//!
//! Closed: every request calls the store. It opens after [`FAILURES_IN_A_ROW`] failures in a row,
//! or when half of at least [`MIN_CALLS`] calls within [`PERIOD`] failed. Open: only the prober
//! calls the store, and its first success closes the breaker.

use crate::clock::Ticks;
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

const FAILURES_IN_A_ROW: u32 = 5;
const MIN_CALLS: u32 = 20;
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Every request reads this, without the lock.
    is_open: AtomicBool,
    stats: Mutex<CallStats>,
}

#[derive(Debug, Default)]
struct CallStats {
    failures_in_a_row: u32,
    period_start: Ticks,
    /// Calls in the current period.
    calls: u32,
    /// Failures in the current period.
    failures: u32,
    opened_at: Ticks,
    /// When the prober last called [`prober_is_alive`](Breaker::prober_is_alive).
    prober_seen_at: Ticks,
}

impl Breaker {
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(super) fn success(&self, now: Ticks) {
        let mut stats = self.stats.lock();
        stats.failures_in_a_row = 0;
        stats.count(now, false);
    }

    /// Counts a failure. Returns whether it opened the breaker.
    pub(super) fn failure(&self, now: Ticks) -> bool {
        let mut stats = self.stats.lock();
        stats.failures_in_a_row = stats.failures_in_a_row.saturating_add(1);
        stats.count(now, true);
        let half_failed = stats.calls >= MIN_CALLS && stats.failures * 2 >= stats.calls;
        if self.is_open() || !(half_failed || stats.failures_in_a_row >= FAILURES_IN_A_ROW) {
            return false;
        }
        stats.opened_at = now;
        stats.prober_seen_at = now;
        self.is_open.store(true, Ordering::Release);
        true
    }

    /// Closes the breaker. Returns how long it was open.
    pub(super) fn close(&self, now: Ticks) -> Duration {
        let mut stats = self.stats.lock();
        let open_for = now.since(stats.opened_at);
        *stats = CallStats::default();
        self.is_open.store(false, Ordering::Release);
        open_for
    }

    /// How long the breaker has been open; `None` if it is closed.
    pub(super) fn open_for(&self, now: Ticks) -> Option<Duration> {
        let stats = self.stats.lock();
        self.is_open().then(|| now.since(stats.opened_at))
    }

    pub(super) fn prober_is_alive(&self, now: Ticks) {
        self.stats.lock().prober_seen_at = now;
    }

    /// Whether a new prober is needed: none has reported for more than `max_silence`, for example
    /// because its runtime has shut down. Returns `true` to one caller only.
    pub(super) fn needs_prober(&self, now: Ticks, max_silence: Duration) -> bool {
        // If the lock is taken, a later request starts the prober.
        let Some(mut stats) = self.stats.try_lock() else {
            return false;
        };
        let is_needed = self.is_open() && now.since(stats.prober_seen_at) > max_silence;
        if is_needed {
            stats.prober_seen_at = now;
        }
        is_needed
    }
}

impl CallStats {
    fn count(&mut self, now: Ticks, has_failed: bool) {
        if now.since(self.period_start) >= PERIOD {
            self.period_start = now;
            self.calls = 0;
            self.failures = 0;
        }
        self.calls = self.calls.saturating_add(1);
        self.failures += u32::from(has_failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Ticks {
        Ticks::from_micros(10_000_000 + millis * 1_000)
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let breaker = Breaker::default();
        for millis in 0..4 {
            assert!(!breaker.failure(at(millis)));
        }
        breaker.success(at(4));
        for millis in 5..9 {
            assert!(!breaker.failure(at(millis)));
        }
        assert!(breaker.failure(at(9)));
        assert!(breaker.is_open());
        assert!(!breaker.failure(at(10)), "it opens once");
        assert_eq!(breaker.close(at(109)), Duration::from_millis(100));
        assert!(!breaker.is_open());
    }

    #[test]
    fn half_of_twenty_calls_in_a_second_open_it() {
        let breaker = Breaker::default();
        for millis in 0..9 {
            breaker.success(at(2 * millis));
            assert!(!breaker.failure(at(2 * millis + 1)));
        }
        breaker.success(at(18));
        assert!(breaker.failure(at(19)), "the tenth failure of twenty calls");
    }

    #[test]
    fn failures_of_an_earlier_second_do_not_count() {
        let breaker = Breaker::default();
        for millis in 0..9 {
            breaker.success(at(2 * millis));
            assert!(!breaker.failure(at(2 * millis + 1)));
        }
        breaker.success(at(1_001));
        assert!(!breaker.failure(at(1_002)));
    }

    #[test]
    fn a_silent_prober_is_replaced_once() {
        let breaker = Breaker::default();
        for _ in 0..5 {
            breaker.failure(at(0));
        }
        let max_silence = Duration::from_secs(3);
        assert!(!breaker.needs_prober(at(3_000), max_silence));
        assert!(breaker.needs_prober(at(3_001), max_silence));
        assert!(!breaker.needs_prober(at(3_002), max_silence));
        breaker.prober_is_alive(at(6_000));
        assert!(!breaker.needs_prober(at(6_001), max_silence));
    }
}
