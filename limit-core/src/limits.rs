//! Several limits that must all allow.

use core::error::Error;
use core::fmt;
use core::num::NonZeroU64;
use core::slice;
use core::time::Duration;

use crate::limit::{Canonical, Limit};
use crate::ticks::Scale;
use crate::unit::Unit;

/// The most limits that one [`Limits`] holds.
pub const MAX_LIMITS: usize = 8;

/// One to [`MAX_LIMITS`] limits, all of which must allow, in the order in which they were
/// declared.
///
/// No limit occurs twice, and each has an effect: a limit beside a stricter one that always rejects
/// first is a mistake, so every constructor returns an error for it.
///
/// All of them count one [`Unit`], which is requests unless the string or
/// [`with_unit`](Self::with_unit) says something else. It is what texts and headers call the units;
/// no count depends on it.
///
/// The value is `Copy` and needs no heap. `Display` is canonical and parses back, with
/// [`parse_in`](Self::parse_in) if the unit is not one of the known ones.
///
/// ```
/// use limit_core::Limits;
///
/// let limits = Limits::parse("10/second, 100 per 5 minutes")?;
/// assert_eq!(limits.len(), 2);
/// assert_eq!(limits.to_string(), "10 per second; 100 per 5 minutes");
/// assert_eq!(limits.to_string().parse(), Ok(limits));
///
/// let tokens = Limits::parse("100_000 tokens/minute")?;
/// assert_eq!(tokens.to_string(), "100000 tokens per minute");
/// # Ok::<(), limit_core::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Unused elements are [`UNUSED`], so that the derived comparison and hash are right.
    items: [Limit; MAX_LIMITS],
    len: usize,
    /// Of the longest window.
    scale: Scale,
    unit: Unit,
}

const UNUSED: Limit = Limit::per_second(NonZeroU64::MIN);

/// Why a limit cannot be added to a list.
pub(crate) enum LimitConflict {
    /// The list has [`MAX_LIMITS`] already.
    Full,
    /// The list has this limit already.
    Duplicate,
    /// The new limit has no effect beside this one.
    NewRedundant { stricter: Limit },
    /// This limit, at this index, would have no effect beside the new one.
    OldRedundant { index: usize, limit: Limit },
}

impl Limits {
    /// The given limits, in that order.
    ///
    /// # Errors
    ///
    /// The list is empty or longer than [`MAX_LIMITS`], a limit occurs twice, or one has no effect
    /// beside another.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use limit_core::{Limit, Limits, LimitsError};
    ///
    /// const TEN: NonZeroU64 = NonZeroU64::new(10).unwrap();
    /// const HUNDRED: NonZeroU64 = NonZeroU64::new(100).unwrap();
    ///
    /// let limits = Limits::new(&[Limit::per_second(TEN), Limit::per_minute(HUNDRED)])?;
    /// assert_eq!(limits.to_string(), "10 per second; 100 per minute");
    ///
    /// let redundant = Limits::new(&[Limit::per_minute(TEN), Limit::per_minute(HUNDRED)]);
    /// assert_eq!(
    ///     redundant.unwrap_err().to_string(),
    ///     "`100 per minute` has no effect: `10 per minute` always rejects first; \
    ///      remove `100 per minute`",
    /// );
    /// # Ok::<(), LimitsError>(())
    /// ```
    pub const fn new(limits: &[Limit]) -> Result<Self, LimitsError> {
        let Some((first, others)) = limits.split_first() else {
            return Err(LimitsError::Empty);
        };
        let mut made = Self::single(*first);
        let mut i = 0;
        while i < others.len() {
            let limit = others[i];
            if let Err(conflict) = made.push(limit) {
                return Err(match conflict {
                    LimitConflict::Full => LimitsError::TooMany {
                        max: MAX_LIMITS,
                        found: limits.len(),
                    },
                    LimitConflict::Duplicate => LimitsError::Duplicate { limit },
                    LimitConflict::NewRedundant { stricter } => {
                        LimitsError::Redundant { limit, stricter }
                    }
                    LimitConflict::OldRedundant { limit: old, .. } => LimitsError::Redundant {
                        limit: old,
                        stricter: limit,
                    },
                });
            }
            i += 1;
        }
        Ok(made)
    }

    /// A list of one limit.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use limit_core::{Limit, Limits};
    ///
    /// const ONE: Limits = Limits::single(Limit::per_second(NonZeroU64::MIN));
    /// assert_eq!(ONE.to_string(), "1 per second");
    /// ```
    #[must_use]
    pub const fn single(limit: Limit) -> Self {
        let mut items = [UNUSED; MAX_LIMITS];
        items[0] = limit;
        Self {
            items,
            len: 1,
            scale: Scale::of_window(limit.window_millis()),
            unit: Unit::REQUESTS,
        }
    }

    /// What the limits count.
    ///
    /// ```
    /// # use limit_core::{Limits, Unit};
    /// assert_eq!(Limits::parse("100_000 tokens/minute")?.unit(), Unit::TOKENS);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The same limits of another unit. A budget that has been counted in goes on counting.
    ///
    /// ```
    /// use limit_core::{Limits, Unit, UnitError, limits};
    ///
    /// let frames = limits!("3_000/minute").with_unit(Unit::new("frames")?);
    /// assert_eq!(frames.to_string(), "3000 frames per minute");
    /// # Ok::<(), UnitError>(())
    /// ```
    #[must_use]
    pub const fn with_unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// Adds a limit at the end, unless it conflicts with the list.
    pub(crate) const fn push(&mut self, limit: Limit) -> Result<(), LimitConflict> {
        if self.len >= MAX_LIMITS {
            return Err(LimitConflict::Full);
        }
        let mut i = 0;
        while i < self.len {
            let old = self.items[i];
            if old.equals(limit) {
                return Err(LimitConflict::Duplicate);
            }
            if old.makes_redundant(limit) {
                return Err(LimitConflict::NewRedundant { stricter: old });
            }
            if limit.makes_redundant(old) {
                return Err(LimitConflict::OldRedundant {
                    index: i,
                    limit: old,
                });
            }
            i += 1;
        }
        self.items[self.len] = limit;
        self.len += 1;
        self.scale = Scale::of_window(self.longest_window_millis());
        Ok(())
    }

    /// The limits, in the order in which they were declared. Never empty.
    ///
    /// ```
    /// # use limit_core::Limits;
    /// let limits = Limits::parse("10/second; 100/minute")?;
    /// assert_eq!(limits.as_slice()[1].count().get(), 100);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn as_slice(&self) -> &[Limit] {
        match self.items.split_at_checked(self.len) {
            Some((used, _)) => used,
            None => &self.items,
        }
    }

    /// Iterates over the limits in the order in which they were declared.
    ///
    /// ```
    /// # use limit_core::Limits;
    /// let limits = Limits::parse("10/second; 100/minute")?;
    /// assert_eq!(limits.iter().map(|limit| limit.count().get()).sum::<u64>(), 110);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    pub fn iter(&self) -> slice::Iter<'_, Limit> {
        self.as_slice().iter()
    }

    /// How many limits there are, from 1 to [`MAX_LIMITS`].
    ///
    /// ```
    /// # use limit_core::Limits;
    /// assert_eq!(Limits::parse("10/second; 100/minute")?.len(), 2);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "limits are never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The limit that was declared first.
    ///
    /// ```
    /// # use limit_core::Limits;
    /// let limits = Limits::parse("10/second; 100/minute")?;
    /// assert_eq!(limits.first().to_string(), "10 per second");
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn first(&self) -> Limit {
        self.items[0]
    }

    /// The limits with `factor` times their counts, for tiers; `None` if a count becomes 0 or
    /// passes [`MAX_COUNT`](crate::MAX_COUNT).
    ///
    /// ```
    /// use limit_core::{Limits, limits};
    ///
    /// const FREE: Limits = limits!("10/second; 100/minute");
    /// const PRO: Option<Limits> = FREE.checked_mul(10);
    /// assert_eq!(PRO, Some(limits!("100/second; 1000/minute")));
    /// assert_eq!(FREE.checked_mul(u64::MAX), None);
    /// ```
    #[must_use]
    pub const fn checked_mul(mut self, factor: u64) -> Option<Self> {
        let mut i = 0;
        while i < self.len {
            match self.items[i].checked_mul(factor) {
                Some(limit) => self.items[i] = limit,
                None => return None,
            }
            i += 1;
        }
        Some(self)
    }

    /// The smallest count: the largest cost that can ever fit.
    ///
    /// ```
    /// # use limit_core::Limits;
    /// assert_eq!(Limits::parse("10/second; 100/minute")?.min_count().get(), 10);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn min_count(&self) -> NonZeroU64 {
        let mut count = self.items[0].count();
        let mut i = 1;
        while i < self.len {
            if self.items[i].count().get() < count.get() {
                count = self.items[i].count();
            }
            i += 1;
        }
        count
    }

    /// The longest window: after this time without a request, every limit is fully available.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use limit_core::Limits;
    /// let limits = Limits::parse("10/second; 100/minute")?;
    /// assert_eq!(limits.longest_window(), Duration::from_secs(60));
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn longest_window(&self) -> Duration {
        Duration::from_millis(self.longest_window_millis())
    }

    const fn longest_window_millis(&self) -> u64 {
        let mut longest = self.items[0];
        let mut i = 1;
        while i < self.len {
            if self.items[i].window_millis() > longest.window_millis() {
                longest = self.items[i];
            }
            i += 1;
        }
        longest.window_millis()
    }

    // Not a public API: for the runtime.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub const fn scale(&self) -> Scale {
        self.scale
    }
}

/// Why some limits are not valid [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitsError {
    /// There is no limit.
    Empty,
    /// There are too many limits.
    TooMany {
        /// The most there can be, [`MAX_LIMITS`].
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// The same limit occurs twice.
    Duplicate {
        /// The limit that occurs twice.
        limit: Limit,
    },
    /// A limit has no effect, because another one always rejects first.
    Redundant {
        /// The limit without effect.
        limit: Limit,
        /// The limit that always rejects first.
        stricter: Limit,
    },
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => {
                f.write_str("the list of limits is empty: at least one limit is required")
            }
            Self::TooMany { max, found } => {
                write!(f, "{found} limits are too many: at most {max} are allowed")
            }
            Self::Duplicate { limit } => write!(f, "`{limit}` occurs twice: remove one of them"),
            Self::Redundant { limit, stricter } => {
                write!(
                    f,
                    "`{limit}` has no effect: `{stricter}` always rejects first; remove `{limit}`"
                )
            }
        }
    }
}

impl Error for LimitsError {}

/// The limits in their canonical form, joined with `; `. Requests are not named.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, limit) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            let mut text = Canonical::EMPTY;
            text.push_limit_in(*limit, self.unit);
            fmt::Display::fmt(&text, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limits({self})")
    }
}

impl From<Limit> for Limits {
    fn from(limit: Limit) -> Self {
        Self::single(limit)
    }
}

impl TryFrom<&[Limit]> for Limits {
    type Error = LimitsError;

    fn try_from(limits: &[Limit]) -> Result<Self, LimitsError> {
        Self::new(limits)
    }
}

impl<'a> IntoIterator for &'a Limits {
    type Item = &'a Limit;
    type IntoIter = slice::Iter<'a, Limit>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
