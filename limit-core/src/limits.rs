//! Several limits that must all allow.

use core::fmt;
use core::num::NonZeroU32;
use core::slice;
use core::str::FromStr;
use core::time::Duration;

use crate::error::{LimitsError, ParseError};
use crate::limit::Limit;
use crate::parse;

/// The most limits that one [`Limits`] holds.
pub const MAX_LIMITS: usize = 8;

/// One to [`MAX_LIMITS`] limits, all of which must allow, in the order in which they were
/// declared.
///
/// No limit occurs twice, and none is idle: a limit that can never bind because another one
/// always refuses first is a mistake, so it is an error wherever `Limits` are made.
///
/// The value is inline and `Copy`. `Display` is canonical and parses back.
///
/// ```
/// use limit_core::Limits;
///
/// let limits = Limits::parse("10/second, 100 per 5 minutes")?;
/// assert_eq!(limits.len(), 2);
/// assert_eq!(limits.to_string(), "10 per second; 100 per 5 minutes");
/// assert_eq!(limits.to_string().parse(), Ok(limits));
/// # Ok::<(), limit_core::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Unused places hold [`UNUSED`], so that the derived comparison and hash are right.
    items: [Limit; MAX_LIMITS],
    len: usize,
}

const UNUSED: Limit = Limit::per_second(NonZeroU32::MIN);

/// Why a limit cannot join those that are there. Numbers are places in the list.
pub(crate) enum Clash {
    Full,
    /// The new limit is there already.
    Same,
    /// The new limit never binds beside this one.
    NewIdle {
        beside: Limit,
    },
    /// This one would never bind beside the new limit.
    OldIdle {
        old: usize,
        limit: Limit,
    },
}

impl Limits {
    /// Reads one or more limits, such as `10/second; 100/minute`; see the
    /// [grammar](crate#grammar). For a literal, [`limits!`](crate::limits!) does so at compile
    /// time.
    ///
    /// # Errors
    ///
    /// The text does not follow the grammar, or its limits cannot stand together. The error says
    /// where and why, and what to write instead.
    ///
    /// ```
    /// use limit_core::Limits;
    ///
    /// assert!(Limits::parse("10/minute").is_ok());
    ///
    /// let error = Limits::parse("10 minute").unwrap_err();
    /// assert_eq!(error.to_string(), "missing `/` or `per` at `10 minute`: write `10/minute`");
    /// ```
    pub const fn parse(text: &str) -> Result<Self, ParseError> {
        parse::limits(text, MAX_LIMITS)
    }

    /// The given limits, in that order.
    ///
    /// # Errors
    ///
    /// There are none or more than [`MAX_LIMITS`], the same limit occurs twice, or one can never
    /// bind beside another.
    ///
    /// ```
    /// use core::num::NonZeroU32;
    /// use limit_core::{Limit, Limits, LimitsError};
    ///
    /// const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
    /// const HUNDRED: NonZeroU32 = NonZeroU32::new(100).unwrap();
    ///
    /// let limits = Limits::new(&[Limit::per_second(TEN), Limit::per_minute(HUNDRED)])?;
    /// assert_eq!(limits.to_string(), "10 per second; 100 per minute");
    ///
    /// let idle = Limits::new(&[Limit::per_minute(TEN), Limit::per_minute(HUNDRED)]);
    /// assert_eq!(
    ///     idle.unwrap_err().to_string(),
    ///     "`100 per minute` never binds: `10 per minute` always refuses first",
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
            if let Err(clash) = made.push(limit) {
                return Err(match clash {
                    Clash::Full => LimitsError::TooMany {
                        max: MAX_LIMITS,
                        found: limits.len(),
                    },
                    Clash::Same => LimitsError::Duplicate { limit },
                    Clash::NewIdle { beside } => LimitsError::NeverBinds {
                        limit,
                        stricter: beside,
                    },
                    Clash::OldIdle { limit: old, .. } => LimitsError::NeverBinds {
                        limit: old,
                        stricter: limit,
                    },
                });
            }
            i += 1;
        }
        Ok(made)
    }

    /// Just this limit.
    ///
    /// ```
    /// use core::num::NonZeroU32;
    /// use limit_core::{Limit, Limits};
    ///
    /// const ONE: Limits = Limits::single(Limit::per_second(NonZeroU32::MIN));
    /// assert_eq!(ONE.to_string(), "1 per second");
    /// ```
    #[must_use]
    pub const fn single(limit: Limit) -> Self {
        let mut items = [UNUSED; MAX_LIMITS];
        items[0] = limit;
        Self { items, len: 1 }
    }

    /// Adds a limit at the end, if it can stand beside those that are there.
    pub(crate) const fn push(&mut self, limit: Limit) -> Result<(), Clash> {
        if self.len >= MAX_LIMITS {
            return Err(Clash::Full);
        }
        let mut i = 0;
        while i < self.len {
            let old = self.items[i];
            if old.same_as(limit) {
                return Err(Clash::Same);
            }
            if old.covers(limit) {
                return Err(Clash::NewIdle { beside: old });
            }
            if limit.covers(old) {
                return Err(Clash::OldIdle { old: i, limit: old });
            }
            i += 1;
        }
        self.items[self.len] = limit;
        self.len += 1;
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

    /// Goes over the limits in the order in which they were declared.
    ///
    /// ```
    /// # use limit_core::Limits;
    /// let limits = Limits::parse("10/second; 100/minute")?;
    /// assert_eq!(limits.iter().map(|limit| limit.count().get()).sum::<u32>(), 110);
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

    /// The smallest count: the largest cost that can ever fit.
    ///
    /// ```
    /// # use limit_core::Limits;
    /// assert_eq!(Limits::parse("10/second; 100/minute")?.min_count().get(), 10);
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    #[must_use]
    pub const fn min_count(&self) -> NonZeroU32 {
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

    /// The longest window: after so long without a request, every limit is as fresh as new.
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
        let mut longest = self.items[0];
        let mut i = 1;
        while i < self.len {
            if self.items[i].window_millis() > longest.window_millis() {
                longest = self.items[i];
            }
            i += 1;
        }
        longest.window()
    }
}

/// The limits in their canonical form, joined with `; `.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, limit) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{limit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limits({self})")
    }
}

impl FromStr for Limits {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
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
