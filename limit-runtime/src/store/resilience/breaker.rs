//! When to stop asking a store that does not answer.
//!
//! Closed, every request asks. After [`IN_A_ROW`] failures in a row, or when half of at least
//! [`ENOUGH`] calls in a second failed, it opens: nobody asks but the prober, whose first success closes it.

use crate::clock::Ticks;
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

const IN_A_ROW: u32 = 5;
const ENOUGH: u32 = 20;
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    is_open: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_a_row: u32,
    since: Ticks,
    calls: u32,
    failures: u32,
    opened: Ticks,
    /// When the prober was last heard of.
    prober: Ticks,
}

impl Breaker {
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(super) fn success(&self, now: Ticks) {
        let mut state = self.state.lock();
        state.in_a_row = 0;
        state.count(now, false);
    }

    /// Answers whether this failure opened it.
    pub(super) fn failure(&self, now: Ticks) -> bool {
        let mut state = self.state.lock();
        state.in_a_row = state.in_a_row.saturating_add(1);
        state.count(now, true);
        let half = state.calls >= ENOUGH && state.failures * 2 >= state.calls;
        if self.is_open() || !(half || state.in_a_row >= IN_A_ROW) {
            return false;
        }
        state.opened = now;
        state.prober = now;
        self.is_open.store(true, Ordering::Release);
        true
    }

    /// Answers how long it was open.
    pub(super) fn close(&self, now: Ticks) -> Duration {
        let mut state = self.state.lock();
        let open = now.since(state.opened);
        *state = State::default();
        self.is_open.store(false, Ordering::Release);
        open
    }

    /// How long it has been open, if it is.
    pub(super) fn open_for(&self, now: Ticks) -> Option<Duration> {
        let state = self.state.lock();
        self.is_open().then(|| now.since(state.opened))
    }

    /// The prober lives.
    pub(super) fn prober_lives(&self, now: Ticks) {
        self.state.lock().prober = now;
    }

    /// Answers, to one caller only, whether a new prober is needed because the last one has been silent for so long:
    /// its runtime may have ended.
    pub(super) fn wants_prober(&self, now: Ticks, silent: Duration) -> bool {
        let Some(mut state) = self.state.try_lock() else {
            return false;
        };
        let wants = self.is_open() && now.since(state.prober) > silent;
        if wants {
            state.prober = now;
        }
        wants
    }
}

impl State {
    fn count(&mut self, now: Ticks, failed: bool) {
        if now.since(self.since) >= PERIOD {
            self.since = now;
            self.calls = 0;
            self.failures = 0;
        }
        self.calls = self.calls.saturating_add(1);
        self.failures += u32::from(failed);
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
    fn failures_of_the_second_before_do_not_count() {
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
        let silent = Duration::from_secs(3);
        assert!(!breaker.wants_prober(at(3_000), silent));
        assert!(breaker.wants_prober(at(3_001), silent));
        assert!(!breaker.wants_prober(at(3_002), silent));
        breaker.prober_lives(at(6_000));
        assert!(!breaker.wants_prober(at(6_001), silent));
    }
}
