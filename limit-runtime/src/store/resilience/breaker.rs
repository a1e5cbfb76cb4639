//! Circuit breaker: stops calls to a store that keeps failing.
//!
//! Closed: every request calls the store. It opens after [`FAILURES_IN_A_ROW`] failures in a row,
//! or when half of at least [`MIN_CALLS`] calls within [`PERIOD`] failed. Open: only the prober
//! calls the store, and its first success closes the breaker. An error that shows a wrong set-up of
//! the store opens it at once.

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
    /// When it was opened or closed.
    changed_at: Ticks,
    /// When the prober last called [`prober_is_alive`](Breaker::prober_is_alive); `None` if it has
    /// ended.
    prober_seen_at: Option<Ticks>,
}

impl Breaker {
    pub(super) fn new(now: Ticks) -> Self {
        let breaker = Self::default();
        breaker.stats.lock().changed_at = now;
        breaker
    }

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
        let opens = half_failed || stats.failures_in_a_row >= FAILURES_IN_A_ROW;
        opens && self.open_with(&mut stats, now)
    }

    /// Opens it after a failure that the next call would have as well. Returns whether it was
    /// closed.
    pub(super) fn open(&self, now: Ticks) -> bool {
        self.open_with(&mut self.stats.lock(), now)
    }

    fn open_with(&self, stats: &mut CallStats, now: Ticks) -> bool {
        if self.is_open() {
            return false;
        }
        stats.changed_at = now;
        stats.prober_seen_at = Some(now);
        self.is_open.store(true, Ordering::Release);
        true
    }

    /// Closes the breaker. Returns how long it was open.
    pub(super) fn close(&self, now: Ticks) -> Duration {
        let mut stats = self.stats.lock();
        let open_for = now.since(stats.changed_at);
        *stats = CallStats {
            changed_at: now,
            ..CallStats::default()
        };
        self.is_open.store(false, Ordering::Release);
        open_for
    }

    /// Whether it is open, and for how long it has been open or closed.
    pub(super) fn state(&self, now: Ticks) -> (bool, Duration) {
        let stats = self.stats.lock();
        (self.is_open(), now.since(stats.changed_at))
    }

    pub(super) fn prober_is_alive(&self, now: Ticks) {
        self.stats.lock().prober_seen_at = Some(now);
    }

    /// Reports that the prober has ended, so that the next request starts another one.
    pub(super) fn prober_has_ended(&self) {
        self.stats.lock().prober_seen_at = None;
    }

    /// Whether a new prober is needed: none has reported for more than `max_silence`, for example
    /// because its runtime has shut down. Returns `true` to one caller only.
    pub(super) fn needs_prober(&self, now: Ticks, max_silence: Duration) -> bool {
        // If the lock is taken, a later request starts the prober.
        let Some(mut stats) = self.stats.try_lock() else {
            return false;
        };
        let is_silent = |at| now.since(at) > max_silence;
        let is_needed = self.is_open() && stats.prober_seen_at.is_none_or(is_silent);
        if is_needed {
            stats.prober_seen_at = Some(now);
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
    fn it_can_be_opened_at_once() {
        let breaker = Breaker::new(at(0));
        assert!(breaker.open(at(5)));
        assert!(!breaker.open(at(6)), "it is open");
        assert_eq!(breaker.state(at(9)), (true, Duration::from_millis(4)));
        breaker.close(at(10));
        assert_eq!(breaker.state(at(13)), (false, Duration::from_millis(3)));
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
