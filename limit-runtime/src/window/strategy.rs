//! Strategies: how hits are counted.

use super::gcra;
use limit_core::{Limit, MAX_COUNT};
use std::{fmt, num::NonZeroU64};

/// How requests are counted against a limit of N per T.
///
/// Each strategy of a rule has a budget of its own: a changed strategy starts with an empty one.
/// Under the moving window the log is one for all limits of a budget, so that any change of limits
/// keeps the history; the other strategies keep a counter for each window length, so that a changed
/// count keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Exact: no interval as long as the window, wherever it starts, admits more than N.
    #[default]
    MovingWindow,
    /// Windows that start at the first hit and end T later. The least state; an interval that
    /// spans two windows may admit up to 2 N.
    FixedWindow,
    /// Two fixed windows, of which the earlier one counts in proportion to how much of it is
    /// within T. Smooth, of constant size; an interval may admit up to 2 N when all hits of a
    /// window came at its end.
    SlidingWindow,
    /// The generic cell rate algorithm, also known as the leaky bucket: N per T evenly, and up to
    /// `burst` at once. An interval admits up to N + `burst`. A cost above `burst` can never fit. A
    /// bucket never holds more than drains in 71 years (2⁵¹ µs), whatever the burst.
    ///
    /// What remains is at most `burst`. If that is above N, headers show the burst as the limit,
    /// and as its window the time in which it is replenished: `burst = 10` on `3/minute` is 10 per
    /// 200 seconds, the same rate. A burst below N is shown as N per T.
    Gcra {
        /// How much may be taken at once after a pause.
        burst: NonZeroU64,
    },
}

impl Strategy {
    /// Its number among the strategies, from 0.
    #[inline]
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::MovingWindow => 0,
            Self::FixedWindow => 1,
            Self::SlidingWindow => 2,
            Self::Gcra { .. } => 3,
        }
    }

    /// The burst, at most the largest count; zero for strategies without one.
    #[inline]
    pub(crate) fn burst(self) -> u64 {
        match self {
            Self::Gcra { burst } => burst.get().min(MAX_COUNT),
            _ => 0,
        }
    }

    /// What fits at once at most.
    #[inline(always)]
    pub(crate) fn capacity(self, limit: Limit) -> NonZeroU64 {
        match self {
            Self::Gcra { burst } => gcra::capacity(limit, burst),
            _ => limit.count(),
        }
    }
}

/// As it is written in an attribute, such as `moving_window` or `gcra(burst = 10)`.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MovingWindow => f.write_str("moving_window"),
            Self::FixedWindow => f.write_str("fixed_window"),
            Self::SlidingWindow => f.write_str("sliding_window"),
            Self::Gcra { burst } => write!(f, "gcra(burst = {burst})"),
        }
    }
}
