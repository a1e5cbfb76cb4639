//! What can be wrong with limits: in a string, and in values.

use core::error::Error;
use core::fmt;
use core::ops::Range;
use core::time::Duration;

use crate::limit::{Limit, MAX_WINDOW};
use crate::text::{Text, slice};

/// Why a string is not a limit or a list of limits.
///
/// It knows [where](Self::span) the mistake is, [what](Self::kind) it is, what was
/// [found](Self::found) there and, where one can tell, what to [write instead](Self::suggestion).
/// `Display` says it all in one line, and that line is also what the compiler shows for a string
/// in [`limits!`](crate::limits!) or `#[rate_limit]`:
///
/// ```
/// use limit_core::{Limits, ParseErrorKind};
///
/// let error = Limits::parse("100/hour; 1,000/day").unwrap_err();
/// assert_eq!(error.kind(), ParseErrorKind::SplitDigits);
/// assert_eq!(error.span(), 10..15);
/// assert_eq!(error.found(), "1,000");
/// assert_eq!(error.suggestion(), Some("1_000"));
/// assert_eq!(
///     error.to_string(),
///     "split digits in `1,000`: a comma or a space ends a number; write `1_000`",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    kind: ParseErrorKind,
    start: usize,
    end: usize,
    found: Text<LONGEST_FOUND>,
    suggestion: Option<Text<LONGEST_SUGGESTION>>,
}

/// The longest text that an error quotes in full. Both lengths keep it below 128 bytes.
const LONGEST_FOUND: usize = 30;

const LONGEST_SUGGESTION: usize = 28;

/// What is wrong with a limit string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The string is empty or all whitespace.
    Empty,
    /// A character outside ASCII, even one that looks like a space or a digit.
    NotAscii,
    /// Something that cannot stand where it stands.
    Unexpected {
        /// What could stand there, in words.
        expected: &'static str,
    },
    /// A `;`, `,` or `|` without a limit on both sides.
    StraySeparator,
    /// Two limits without a `;`, `,` or `|` between them.
    MissingSeparator,
    /// A limit that begins with `/`, `per` or a unit.
    MissingCount,
    /// The count is 0.
    ZeroCount,
    /// The count is too large.
    CountTooLarge {
        /// The largest count.
        max: u32,
    },
    /// A number below zero.
    Negative,
    /// A number with a decimal point.
    Fraction,
    /// A number whose digits are grouped with commas or spaces.
    SplitDigits,
    /// A number with a suffix, such as `10k`.
    NumberSuffix,
    /// An underscore that does not stand alone between two digits.
    MisplacedUnderscore,
    /// A count that no `/` or `per` follows.
    MissingPer,
    /// A second `/` or `per` right after the first.
    RepeatedPer,
    /// A count without a window.
    MissingWindow,
    /// A number without a unit.
    MissingUnit,
    /// A word that is no unit.
    UnknownUnit,
    /// The window has no length.
    ZeroWindow,
    /// The window is too long.
    WindowTooLong {
        /// The longest window, [`MAX_WINDOW`].
        max: Duration,
    },
    /// More limits than are allowed here.
    TooMany {
        /// How many are.
        max: usize,
    },
    /// The same limit a second time, perhaps in other words.
    Duplicate {
        /// The limit.
        limit: Limit,
    },
    /// A limit that can never bind, because another one always refuses first.
    NeverBinds {
        /// The idle limit.
        limit: Limit,
        /// The one that refuses first.
        stricter: Limit,
    },
}

impl ParseError {
    /// `source` is the whole input, of which `start..end` is to blame.
    pub(crate) const fn new(
        kind: ParseErrorKind,
        source: &str,
        (start, end): (usize, usize),
    ) -> Self {
        Self {
            kind,
            start,
            end,
            found: Text::excerpt(slice(source, start, end)),
            suggestion: None,
        }
    }

    /// With what to write in place of the span; a text too long to be of help is left out.
    pub(crate) const fn suggest(mut self, suggestion: &str) -> Self {
        if suggestion.len() <= LONGEST_SUGGESTION {
            self.suggestion = Some(Text::excerpt(suggestion));
        }
        self
    }

    /// What is wrong.
    ///
    /// ```
    /// use limit_core::{Limits, ParseErrorKind};
    ///
    /// let error = Limits::parse("0/minute").unwrap_err();
    /// assert_eq!(error.kind(), ParseErrorKind::ZeroCount);
    /// ```
    #[must_use]
    pub const fn kind(&self) -> ParseErrorKind {
        self.kind
    }

    /// Where: a range of bytes of the input, always on character boundaries.
    ///
    /// ```
    /// use limit_core::Limits;
    ///
    /// let input = "10/minute; 0/hour";
    /// let error = Limits::parse(input).unwrap_err();
    /// assert_eq!(&input[error.span()], "0");
    /// ```
    #[must_use]
    pub const fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The text at [`span`](Self::span); a long one is cut and ends in `…`.
    ///
    /// ```
    /// use limit_core::Limits;
    ///
    /// let error = Limits::parse("10/fortnight").unwrap_err();
    /// assert_eq!(error.found(), "fortnight");
    /// ```
    #[must_use]
    pub const fn found(&self) -> &str {
        self.found.as_str()
    }

    /// What to write in place of the [`span`](Self::span), if that is plain from the input. An
    /// empty text means: nothing, delete it.
    ///
    /// ```
    /// use limit_core::Limits;
    ///
    /// let input = "1.5/second";
    /// let error = Limits::parse(input).unwrap_err();
    /// let mut mended = input.to_owned();
    /// mended.replace_range(error.span(), error.suggestion().unwrap());
    /// assert_eq!(mended, "3/2s");
    /// ```
    #[must_use]
    pub const fn suggestion(&self) -> Option<&str> {
        match &self.suggestion {
            Some(suggestion) => Some(suggestion.as_str()),
            None => None,
        }
    }

    /// What was found, without what to do about it: the part of `Display` before the colon.
    ///
    /// ```
    /// use limit_core::Limits;
    ///
    /// let error = Limits::parse("10/minuet").unwrap_err();
    /// assert_eq!(error.message().to_string(), "unknown unit `minuet`");
    /// ```
    #[must_use]
    pub fn message(&self) -> impl fmt::Display + use<> {
        self.problem()
    }

    /// What is allowed and what to write instead: the part of `Display` after the colon.
    ///
    /// ```
    /// use limit_core::Limits;
    ///
    /// let error = Limits::parse("10/minuet").unwrap_err();
    /// assert_eq!(
    ///     error.help().to_string(),
    ///     "did you mean `minute`? allowed: ms, second, minute, hour, day, week, month, year",
    /// );
    /// ```
    #[must_use]
    pub fn help(&self) -> impl fmt::Display + use<> {
        self.remedy()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.text(), f)
    }
}

impl Error for ParseError {}

/// Why a count and a window make no [`Limit`].
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
                write!(f, "a window of {window:?} is too short: it is at least 1ms")
            }
            Self::WindowNotWholeMillis { window } => write!(
                f,
                "a window of {window:?} is too fine: it is a whole number of milliseconds",
            ),
            Self::WindowTooLong { window } => write!(
                f,
                "a window of {window:?} is too long: it is at most {MAX_WINDOW:?} (3650 days)",
            ),
        }
    }
}

impl Error for LimitError {}

/// Why some limits make no [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitsError {
    /// There is no limit.
    Empty,
    /// There are too many limits.
    TooMany {
        /// The most there can be, [`MAX_LIMITS`](crate::MAX_LIMITS).
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// The same limit occurs twice.
    Duplicate {
        /// The limit.
        limit: Limit,
    },
    /// A limit can never bind, because another one always refuses first.
    NeverBinds {
        /// The idle limit.
        limit: Limit,
        /// The one that refuses first.
        stricter: Limit,
    },
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no limit: there is at least one"),
            Self::TooMany { max, found } => {
                write!(f, "{found} limits are too many: at most {max} are allowed")
            }
            Self::Duplicate { limit } => write!(f, "`{limit}` occurs twice: once is enough"),
            Self::NeverBinds { limit, stricter } => {
                write!(
                    f,
                    "`{limit}` never binds: `{stricter}` always refuses first"
                )
            }
        }
    }
}

impl Error for LimitsError {}
