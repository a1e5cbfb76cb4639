//! One limit: a count per window.

use core::error::Error;
use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

use crate::const_str::ConstStr;
use crate::unit::Unit;
use crate::window::Window;

/// The longest window that a limit may have: 3650 days.
pub const MAX_WINDOW: Duration = Duration::from_millis(MAX_WINDOW_MILLIS);

/// The largest count that a limit may have: 999,999,999,999,999, the largest integer of a
/// structured header field ([RFC 9651](https://www.rfc-editor.org/rfc/rfc9651#section-3.3.1)).
pub const MAX_COUNT: u64 = 999_999_999_999_999;

pub(crate) const MAX_WINDOW_MILLIS: u64 = 3650 * 86_400_000;

/// At most `count` units per `window`.
///
/// The count is from 1 to [`MAX_COUNT`]. The window is a whole number of milliseconds, from 1 ms to
/// [`MAX_WINDOW`]. What the units are, such as requests or tokens, is said by the
/// [`Limits`](crate::Limits) that it is one of. A `Limit` is 16 bytes and `Copy`; pass it by value.
///
/// `Display` is canonical and parses back: `10 per minute`.
///
/// ```
/// use core::num::NonZeroU64;
/// use core::time::Duration;
/// use limit_core::Limit;
///
/// const TEN: NonZeroU64 = NonZeroU64::new(10).unwrap();
///
/// let limit = Limit::per_minute(TEN);
/// assert_eq!(limit, Limit::new(TEN, Duration::from_secs(60))?);
/// assert_eq!(limit, "10/minute".parse().unwrap());
/// assert_eq!(limit.to_string(), "10 per minute");
/// # Ok::<(), limit_core::LimitError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limit {
    count: NonZeroU64,
    window_millis: NonZeroU64,
}

impl Limit {
    /// A limit of `count` units in any `window`.
    ///
    /// # Errors
    ///
    /// The count is above [`MAX_COUNT`], or the window is shorter than a millisecond, not a whole
    /// number of milliseconds, or longer than [`MAX_WINDOW`].
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use core::time::Duration;
    /// use limit_core::{Limit, LimitError};
    ///
    /// let limit = Limit::new(NonZeroU64::MIN, Duration::from_millis(1500))?;
    /// assert_eq!(limit.to_string(), "1 per 1500 ms");
    ///
    /// let zero = Limit::new(NonZeroU64::MIN, Duration::ZERO);
    /// assert_eq!(zero, Err(LimitError::WindowTooShort { window: Duration::ZERO }));
    /// # Ok::<(), LimitError>(())
    /// ```
    pub const fn new(count: NonZeroU64, window: Duration) -> Result<Self, LimitError> {
        if count.get() > MAX_COUNT {
            return Err(LimitError::CountTooLarge { count });
        }
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
        Ok(Self::from_millis(count, window_millis))
    }

    /// A limit with a count and a window that are known to be within bounds.
    pub(crate) const fn from_millis(count: NonZeroU64, window_millis: NonZeroU64) -> Self {
        Self {
            count,
            window_millis,
        }
    }

    /// A limit with one of the usual windows. A count above the maximum becomes the maximum.
    const fn per(count: NonZeroU64, window_millis: u64) -> Self {
        let count = if count.get() > MAX_COUNT {
            nonzero(MAX_COUNT)
        } else {
            count
        };
        Self::from_millis(count, nonzero(window_millis))
    }

    /// `count` units per second. A count above [`MAX_COUNT`] becomes [`MAX_COUNT`].
    ///
    /// ```
    /// # use core::{num::NonZeroU64, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_second(NonZeroU64::new(10).unwrap());
    /// assert_eq!(LIMIT.window().as_duration(), Some(Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub const fn per_second(count: NonZeroU64) -> Self {
        Self::per(count, 1_000)
    }

    /// `count` units per minute. A count above [`MAX_COUNT`] becomes [`MAX_COUNT`].
    ///
    /// ```
    /// # use core::{num::NonZeroU64, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_minute(NonZeroU64::new(10).unwrap());
    /// assert_eq!(LIMIT.window().as_duration(), Some(Duration::from_secs(60)));
    /// ```
    #[must_use]
    pub const fn per_minute(count: NonZeroU64) -> Self {
        Self::per(count, 60_000)
    }

    /// `count` units per hour. A count above [`MAX_COUNT`] becomes [`MAX_COUNT`].
    ///
    /// ```
    /// # use core::{num::NonZeroU64, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_hour(NonZeroU64::new(10).unwrap());
    /// assert_eq!(LIMIT.window().as_duration(), Some(Duration::from_secs(3_600)));
    /// ```
    #[must_use]
    pub const fn per_hour(count: NonZeroU64) -> Self {
        Self::per(count, 3_600_000)
    }

    /// `count` units per day of 24 hours. A count above [`MAX_COUNT`] becomes [`MAX_COUNT`].
    ///
    /// ```
    /// # use core::{num::NonZeroU64, time::Duration};
    /// # use limit_core::Limit;
    /// const LIMIT: Limit = Limit::per_day(NonZeroU64::new(10).unwrap());
    /// assert_eq!(LIMIT.window().as_duration(), Some(Duration::from_secs(86_400)));
    /// ```
    #[must_use]
    pub const fn per_day(count: NonZeroU64) -> Self {
        Self::per(count, 86_400_000)
    }

    /// How many units a window allows.
    ///
    /// ```
    /// # use limit_core::Limit;
    /// assert_eq!(Limit::parse("10/minute")?.count().get(), 10);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn count(self) -> NonZeroU64 {
        self.count
    }

    /// The time that the count is for.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use limit_core::{Limit, Window};
    /// let limit = Limit::parse("10/minute")?;
    /// assert_eq!(limit.window(), Window::Duration(Duration::from_secs(60)));
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn window(self) -> Window {
        Window::Duration(Duration::from_millis(self.window_millis()))
    }

    /// The limit with `factor` times the count; `None` if that is 0 or above [`MAX_COUNT`].
    ///
    /// ```
    /// # use limit_core::Limit;
    /// let limit = Limit::parse("10/minute")?;
    /// assert_eq!(limit.checked_mul(5), Some(Limit::parse("50/minute")?));
    /// assert_eq!(limit.checked_mul(0), None);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.count.get().checked_mul(factor) {
            Some(count @ 1..=MAX_COUNT) => Some(Self {
                count: nonzero(count),
                window_millis: self.window_millis,
            }),
            _ => None,
        }
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
    /// The count is above [`MAX_COUNT`].
    CountTooLarge {
        /// The count.
        count: NonZeroU64,
    },
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
            Self::CountTooLarge { count } => {
                write!(
                    f,
                    "a count of {count} is too large: it can be at most {MAX_COUNT}"
                )
            }
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

const fn nonzero(number: u64) -> NonZeroU64 {
    match NonZeroU64::new(number) {
        Some(number) => number,
        None => NonZeroU64::MIN,
    }
}

impl<const N: usize> ConstStr<N> {
    /// A limit in its canonical form: `10 per minute`.
    pub(crate) const fn push_limit(&mut self, limit: Limit) {
        self.push_limit_in(limit, Unit::REQUESTS);
    }

    /// A limit of a unit in its canonical form: `10 tokens per minute`.
    pub(crate) const fn push_limit_in(&mut self, limit: Limit, unit: Unit) {
        self.push_number(limit.count.get());
        self.push_unit(limit.count.get(), unit);
        self.push(" per ");
        self.push_window(limit.window_millis());
    }

    /// A limit as a sentence has it: `100,000 tokens per minute`.
    pub(crate) const fn push_limit_in_words(&mut self, limit: Limit, unit: Unit) {
        self.push_units_in_words(limit.count.get(), unit);
        self.push(" per ");
        self.push_window(limit.window_millis());
    }

    /// Units as a sentence has them: `100,000 tokens`. Requests are a number alone, in the
    /// canonical form, so that limits on requests are written alike everywhere.
    pub(crate) const fn push_units_in_words(&mut self, count: u64, unit: Unit) {
        if unit.is_requests() {
            self.push_number(count);
        } else {
            self.push_grouped(count);
            self.push_unit(count, unit);
        }
    }

    /// The unit behind a count, with a space. Requests are not named.
    const fn push_unit(&mut self, count: u64, unit: Unit) {
        if !unit.is_requests() {
            self.push(" ");
            self.push(unit.after(count));
        }
    }
}

/// Room for the longest canonical form and the longest one in words:
/// `999,999,999,999,999 abcdefgh-jklmnop per 315359999999 ms` is 56 bytes.
pub(crate) type Canonical = ConstStr<60>;

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
