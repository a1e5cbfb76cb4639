//! The error for a string that is not a list of limits.

use core::error::Error;
use core::ops::Range;
use core::time::Duration;

use crate::const_str::{ConstStr, slice};
use crate::limit::Limit;
use crate::unit::Unit;

/// Why a string is not a limit or a list of limits.
///
/// It has the [position](Self::span) and the [kind](Self::kind) of the mistake, the text that was
/// [found](Self::found) there and, where that is clear, what to [write instead](Self::suggestion).
/// `Display` writes all of it on one line. The compiler shows the same line for a string in
/// [`limits!`](crate::limits!) or `#[rate_limit]`:
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
    found: ConstStr<LONGEST_FOUND>,
    suggestion: Option<ConstStr<LONGEST_SUGGESTION>>,
}

/// The longest text that an error quotes in full. Both lengths keep the error within 128 bytes.
const LONGEST_FOUND: usize = 30;

const LONGEST_SUGGESTION: usize = 28;

/// The kinds of mistakes in a limit string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The string is empty or all whitespace.
    Empty,
    /// A character outside ASCII, such as a non-breaking space or a full-width digit.
    NotAscii,
    /// Text that is not allowed at this position.
    Unexpected {
        /// What is allowed at this position, in words.
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
        /// The largest count, [`MAX_COUNT`](crate::MAX_COUNT).
        max: u64,
    },
    /// A number below zero.
    Negative,
    /// A number with a decimal point.
    Fraction,
    /// A number with commas or spaces between its digits.
    SplitDigits,
    /// A number with a suffix, such as `10k`.
    NumberSuffix,
    /// An underscore that is not between two digits, or next to another one.
    MisplacedUnderscore,
    /// A count without a `/` or `per` after it.
    MissingPer,
    /// A second `/` or `per` right after the first.
    RepeatedPer,
    /// A count without a window.
    MissingWindow,
    /// A number without a unit.
    MissingUnit,
    /// A word that is not a unit of time.
    UnknownUnit,
    /// A word after a count that is not a known [`Unit`].
    UnknownCountUnit,
    /// A limit that counts another unit than the limits that it is read with.
    OtherUnit {
        /// What the limits count.
        expected: Unit,
        /// What this limit counts.
        found: Unit,
    },
    /// The window is 0 long.
    ZeroWindow,
    /// The window is too long.
    WindowTooLong {
        /// The longest window, [`MAX_WINDOW`](crate::MAX_WINDOW).
        max: Duration,
    },
    /// More limits than are allowed here.
    TooMany {
        /// How many are allowed.
        max: usize,
    },
    /// A limit that the list already has, perhaps in another spelling.
    Duplicate {
        /// The limit that occurs twice.
        limit: Limit,
    },
    /// A limit that has no effect, because another one always rejects first.
    Redundant {
        /// The limit without effect.
        limit: Limit,
        /// The limit that always rejects first.
        stricter: Limit,
    },
}

impl ParseError {
    /// An error in `source`, the whole input, at the bytes `start..end`.
    pub(crate) const fn new(
        kind: ParseErrorKind,
        source: &str,
        (start, end): (usize, usize),
    ) -> Self {
        Self {
            kind,
            start,
            end,
            found: ConstStr::excerpt(slice(source, start, end)),
            suggestion: None,
        }
    }

    /// Adds what to write in place of the span. A text that is too long is left out.
    pub(crate) const fn suggest(mut self, suggestion: &str) -> Self {
        if suggestion.len() <= LONGEST_SUGGESTION {
            self.suggestion = Some(ConstStr::excerpt(suggestion));
        }
        self
    }

    /// The kind of mistake.
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

    /// The position of the mistake: a range of bytes of the input, on character boundaries.
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

    /// The text at [`span`](Self::span). A long text is cut and ends in `…`.
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

    /// What to write in place of the [`span`](Self::span), where that is clear from the input. An
    /// empty string means that the text at the span has to be deleted.
    ///
    /// ```
    /// use limit_core::Limits;
    ///
    /// let input = "1.5/second";
    /// let error = Limits::parse(input).unwrap_err();
    /// let mut corrected = input.to_owned();
    /// corrected.replace_range(error.span(), error.suggestion().unwrap());
    /// assert_eq!(corrected, "3/2s");
    /// ```
    #[must_use]
    pub const fn suggestion(&self) -> Option<&str> {
        match &self.suggestion {
            Some(suggestion) => Some(suggestion.as_str()),
            None => None,
        }
    }
}

impl Error for ParseError {}
