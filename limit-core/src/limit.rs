//! One limit: a count per window.

use core::error::Error;
use core::fmt;
use core::num::{NonZeroU32, NonZeroU64};
use core::time::Duration;

use crate::const_str::ConstStr;

/// The longest window that a limit may have: 3650 days.
pub const MAX_WINDOW: Duration = Duration::from_millis(MAX_WINDOW_MILLIS);

pub(crate) const MAX_WINDOW_MILLIS: u64 = 3650 * 86_400_000;

/// At most `count` units per `window`.
///
/// The window is a whole number of milliseconds, from 1 ms to [`MAX_WINDOW`]. A `Limit` is
/// 16 bytes and `Copy`; pass it by value.
///
/// `Display` is canonical and parses back: `10 per minute`.
///
/// ```
/// use core::num::NonZeroU32;
/// use core::time::Duration;
/// use limit_core::Limit;
///
/// const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
///
/// let limit = Limit::per_minute(TEN);
/// assert_eq!(limit, Limit::new(TEN, Duration::from_secs(60))?);
/// assert_eq!(limit, "10/minute".parse().unwrap());
/// assert_eq!(limit.to_string(), "10 per minute");
/// # Ok::<(), limit_core::LimitError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    count: NonZeroU32,
    window_millis: NonZeroU64,
}

impl Limit {
    /// A limit of `count` units in any `window`.
    ///
    /// # Errors
    ///
    /// The window is shorter than a millisecond, not a whole number of milliseconds, or longer
    /// than [`MAX_WINDOW`].
    ///
    /// ```
    /// use core::num::NonZeroU32;
    /// use core::time::Duration;
    /// use limit_core::{Limit, LimitError};
    ///
    /// let limit = Limit::new(NonZeroU32::MIN, Duration::from_millis(1500))?;
    /// assert_eq!(limit.to_string(), "1 per 1500 ms");
    ///
    /// let zero = Limit::new(NonZeroU32::MIN, Duration::ZERO);
    /// assert_eq!(zero, Err(LimitError::WindowTooShort { window: Duration::ZERO }));
    /// # Ok::<(), LimitError>(())
    /// ```
    pub const fn new(count: NonZeroU32, window: Duration) -> Result<Self, LimitError> {
        if window.as_nanos() > MAX_WINDOW.as_nanos() {
            return Err(LimitError::WindowTooLong { window });
        }
        let millis = window.as_secs() * 1000 + window.subsec_millis() as u64;
        let Some(window_millis) = NonZeroU64::new(millis) else {
            return Err(LimitError::WindowTooShort { window });
        };
        if !window.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(LimitError::WindowNotWholeMillis { window });
        }
        Ok(Self {
            count,
            window_millis,
        })
    }

    /// A limit with a window that is known to be within bounds.
    pub(crate) const fn from_millis(count: NonZeroU32, window_millis: NonZeroU64) -> Self {
        Self {
            count,
            window_millis,
        }
    }

    /// `count` units per second.
    ///
    /// ```
    /// # use core::{num::NonZeroU32, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_second(NonZeroU32::new(10).unwrap());
    /// assert_eq!(LIMIT.window(), Duration::from_secs(1));
    /// ```
    #[must_use]
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self::from_millis(count, millis(1_000))
    }

    /// `count` units per minute.
    ///
    /// ```
    /// # use core::{num::NonZeroU32, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_minute(NonZeroU32::new(10).unwrap());
    /// assert_eq!(LIMIT.window(), Duration::from_secs(60));
    /// ```
    #[must_use]
    pub const fn per_minute(count: NonZeroU32) -> Self {
        Self::from_millis(count, millis(60_000))
    }

    /// `count` units per hour.
    ///
    /// ```
    /// # use core::{num::NonZeroU32, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_hour(NonZeroU32::new(10).unwrap());
    /// assert_eq!(LIMIT.window(), Duration::from_secs(3_600));
    /// ```
    #[must_use]
    pub const fn per_hour(count: NonZeroU32) -> Self {
        Self::from_millis(count, millis(3_600_000))
    }

    /// `count` units per day of 24 hours.
    ///
    /// ```
    /// # use core::{num::NonZeroU32, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_day(NonZeroU32::new(10).unwrap());
    /// assert_eq!(LIMIT.window(), Duration::from_secs(86_400));
    /// ```
    #[must_use]
    pub const fn per_day(count: NonZeroU32) -> Self {
        Self::from_millis(count, millis(86_400_000))
    }

    /// How many units a window allows.
    ///
    /// ```
    /// # use limit_core::Limit;
    /// assert_eq!(Limit::parse("10/minute")?.count().get(), 10);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// The length of the window.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use limit_core::Limit;
    /// assert_eq!(Limit::parse("10/minute")?.window(), Duration::from_secs(60));
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn window(self) -> Duration {
        Duration::from_millis(self.window_millis.get())
    }

    /// The length of the window in milliseconds, at least 1.
    ///
    /// ```
    /// # use limit_core::Limit;
    /// assert_eq!(Limit::parse("10/minute")?.window_millis(), 60_000);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn window_millis(self) -> u64 {
        self.window_millis.get()
    }

    pub(crate) const fn equals(self, other: Self) -> bool {
        self.count.get() == other.count.get() && self.window_millis() == other.window_millis()
    }

    /// Whether this limit rejects every request that `other` rejects, so that `other` has no effect
    /// beside it.
    pub(crate) const fn makes_redundant(self, other: Self) -> bool {
        self.count.get() <= other.count.get() && self.window_millis() >= other.window_millis()
    }
}

/// Why a count and a window are not a valid [`Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The window is shorter than a millisecond.
    WindowTooShort {
        /// The window.
        window: Duration,
    },
    /// The window is not a whole number of milliseconds.
    WindowNotWholeMillis {
        /// The window.
        window: Duration,
    },
    /// The window is longer than [`MAX_WINDOW`].
    WindowTooLong {
        /// The window.
        window: Duration,
    },
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WindowTooShort { window } => {
                write!(
                    f,
                    "a window of {window:?} is too short: it has to be at least 1ms"
                )
            }
            Self::WindowNotWholeMillis { window } => write!(
                f,
                "a window of {window:?} is too fine: it has to be a whole number of milliseconds",
            ),
            Self::WindowTooLong { window } => write!(
                f,
                "a window of {window:?} is too long: it can be at most {MAX_WINDOW:?} (3650 days)",
            ),
        }
    }
}

impl Error for LimitError {}

const fn millis(millis: u64) -> NonZeroU64 {
    match NonZeroU64::new(millis) {
        Some(millis) => millis,
        None => NonZeroU64::MIN,
    }
}

impl<const N: usize> ConstStr<N> {
    /// A limit in its canonical form: `10 per minute`.
    pub(crate) const fn push_limit(&mut self, limit: Limit) {
        self.push_number(limit.count.get() as u64);
        self.push(" per ");
        self.push_window(limit.window_millis());
    }
}

/// Room for the longest canonical form: `4294967295 per 315360000000 ms` is 30 bytes.
type Canonical = ConstStr<40>;

/// `10 per minute`: the count, and the window in the largest unit from ms to week that divides
/// it evenly. Months and years are written in days, because their length varies.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Canonical::EMPTY;
        text.push_limit(*self);
        fmt::Display::fmt(&text, f)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit({self})")
    }
}
