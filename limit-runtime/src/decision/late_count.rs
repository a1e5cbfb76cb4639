//! When a remote store counts a charge that no request waits for.

use parking_lot::Mutex;

/// What is known of the charge. Shared by its receipts, so that each of its units is refunded or
/// charged anew once, whether the store counts it before or after.
#[derive(Debug, Default)]
pub(crate) struct LateCount(Mutex<State>);

#[derive(Debug)]
enum State {
    /// The store is not known to have counted it. If it does, these units have to be refunded.
    Unknown { refunded: u64 },
    /// The store counted it at this time.
    Counted(u64),
    /// It was charged anew. If the store counts it after all, all of it has to be refunded.
    Replaced { refunded: u64 },
}

impl Default for State {
    fn default() -> Self {
        Self::Unknown { refunded: 0 }
    }
}

impl LateCount {
    /// Refunds units. Returns when the store counted them, so that the caller refunds them there;
    /// `None` if that is not known, and [`counted`](Self::counted) will return them.
    pub(crate) fn refund(&self, units: u64) -> Option<u64> {
        match &mut *self.0.lock() {
            State::Unknown { refunded } => {
                *refunded = refunded.saturating_add(units);
                None
            }
            State::Counted(at) => Some(*at),
            State::Replaced { .. } => None,
        }
    }

    /// Notes that the store counted `cost` units at this time. Returns those to refund there.
    pub(crate) fn counted(&self, at: u64, cost: u64) -> u64 {
        let mut state = self.0.lock();
        match *state {
            State::Unknown { refunded } => {
                *state = State::Counted(at);
                refunded.min(cost)
            }
            State::Counted(_) => 0,
            State::Replaced { .. } => cost,
        }
    }

    /// Returns whether the charge has to be made anew, because the store is not known to have
    /// counted it. Returns `true` once.
    pub(crate) fn replace(&self) -> bool {
        let mut state = self.0.lock();
        let State::Unknown { refunded } = *state else {
            return false;
        };
        *state = State::Replaced { refunded };
        true
    }

    /// Notes that the charge could not be made anew: if the store counts it, it stays.
    pub(crate) fn keep(&self) {
        let mut state = self.0.lock();
        if let State::Replaced { refunded } = *state {
            *state = State::Unknown { refunded };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_are_refunded_before_the_store_counts_them_are_refunded_then() {
        let count = LateCount::default();
        assert_eq!((count.refund(2), count.refund(3)), (None, None));
        assert_eq!(count.counted(7, 10), 5);
        assert_eq!(
            count.counted(8, 10),
            0,
            "it is the answer to the same charge"
        );
        assert_eq!(count.refund(4), Some(7));
        assert!(!count.replace());
    }

    #[test]
    fn what_was_charged_anew_is_refunded_if_the_store_counts_it_after_all() {
        let count = LateCount::default();
        count.refund(2);
        assert!(count.replace());
        assert!(!count.replace());
        assert_eq!(count.refund(3), None);
        assert_eq!(count.counted(7, 10), 10);
    }

    #[test]
    fn what_could_not_be_charged_anew_stays_if_the_store_counts_it() {
        let count = LateCount::default();
        count.refund(2);
        assert!(count.replace());
        count.keep();
        assert_eq!(count.counted(7, 10), 2);
    }
}
