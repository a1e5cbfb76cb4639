//! Limits the log lines of a policy to one in a second.

use crate::clock::Ticks;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which refusals of a policy are logged: the first one of each second.
#[derive(Debug, Default)]
pub(super) struct SampledLog {
    /// The second of the last line, plus 1; 0 before the first.
    last: AtomicU64,
    left_out: AtomicU64,
}

impl SampledLog {
    /// Returns how many refusals were left out since the last line, if this one is to be logged.
    pub(super) fn admit(&self, now: Ticks) -> Option<u64> {
        let second = now.as_micros() / 1_000_000 + 1;
        let last = self.last.load(Ordering::Relaxed);
        let exchange = || {
            self.last
                .compare_exchange(last, second, Ordering::Relaxed, Ordering::Relaxed)
        };
        if last == second || exchange().is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.left_out.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicUsize, thread};

    #[test]
    fn the_first_of_each_second_is_logged_with_the_number_of_those_left_out() {
        let log = SampledLog::default();
        let at = |millis: u64| log.admit(Ticks::from_micros(millis * 1_000));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(1), at(999)), (None, None));
        assert_eq!(at(1_000), Some(2));
        assert_eq!(at(5_500), Some(0));
        assert_eq!(at(5_600), None);
        assert_eq!(at(6_000), Some(1));
    }

    #[test]
    fn threads_log_once_and_lose_none() {
        let log = SampledLog::default();
        let logged = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        if log.admit(Ticks::from_micros(7)).is_some() {
                            logged.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(logged.into_inner(), 1);
        assert_eq!(log.admit(Ticks::from_micros(2_000_000)), Some(3_999));
    }
}
