//! The kinds of budgets that one scope and key has.

use crate::window::Strategy;

/// Which of the budgets of a scope and key it is: the log of the moving window, or the counter of a
/// strategy and a window length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u64);

impl Kind {
    /// The one log of the moving window.
    pub(super) const LOG: Self = Self(0);

    #[inline]
    pub(super) fn new(strategy: Strategy, window_millis: u64) -> Self {
        match strategy {
            Strategy::MovingWindow => Self::LOG,
            _ => Self(window_millis << 2 | u64::from(strategy.number())),
        }
    }

    /// See [`Strategy::number`].
    pub(super) fn strategy_number(self) -> u64 {
        self.0 & 3
    }

    /// As a number below 2^56.
    #[inline]
    pub(super) fn to_bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}
