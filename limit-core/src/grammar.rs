//! The grammar of limit strings: [`Limit::parse`] and [`Limits::parse`].
//!
//! The input is read byte by byte, so that it also runs in `const`.

use core::num::NonZeroU64;
use core::str::FromStr;

use crate::counted::WindowAfter;
use crate::limit::{Limit, MAX_COUNT, MAX_WINDOW, MAX_WINDOW_MILLIS};
use crate::limits::{LimitConflict, Limits, MAX_LIMITS};
use crate::number::Number;
use crate::parse_error::{ParseError, ParseErrorKind as Kind};
use crate::parser::{Parser, Span, is_per};
use crate::time_unit::TimeUnit;
use crate::unit::Unit;

/// The `?` operator, which does not work in `const` yet.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

impl Limit {
    /// Reads one limit, such as `10/minute`, `5/300s` or `10 per 5 minutes`; see the
    /// [grammar](crate#grammar).
    ///
    /// # Errors
    ///
    /// The text is not exactly one limit, or it names a unit other than requests, which a single
    /// `Limit` does not have. The error says where and why.
    ///
    /// ```
    /// use limit_core::{Limit, ParseErrorKind};
    ///
    /// assert_eq!(Limit::parse("5/300s")?.to_string(), "5 per 5 minutes");
    ///
    /// let two = Limit::parse("10/second; 100/minute").unwrap_err();
    /// assert_eq!(two.kind(), ParseErrorKind::TooMany { max: 1 });
    /// # Ok::<(), limit_core::ParseError>(())
    /// ```
    pub const fn parse(text: &str) -> Result<Self, ParseError> {
        match parse(text, 1, Some(Unit::REQUESTS)) {
            Ok(limits) => Ok(limits.first()),
            Err(error) => Err(error),
        }
    }
}

impl Limits {
    /// Reads one or more limits, such as `10/second; 100/minute`; see the
    /// [grammar](crate#grammar). For a literal, use [`limits!`](crate::limits!), which runs
    /// at compile time.
    ///
    /// # Errors
    ///
    /// The text does not follow the grammar, or its limits conflict. The error says where and why,
    /// and what to write instead.
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
        parse(text, MAX_LIMITS, None)
    }

    /// Reads limits of this unit: the text may leave it out, and must not name another one.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and a text that names another unit.
    ///
    /// ```
    /// use limit_core::{Limits, Unit};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let frames = Unit::new("frames")?;
    /// let limits = Limits::parse_in("3_000/minute", frames)?;
    /// assert_eq!(limits.to_string(), "3000 frames per minute");
    /// assert_eq!(Limits::parse_in("3000 frames per minute", frames)?, limits);
    /// assert!(Limits::parse_in("3_000 tokens/minute", frames).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn parse_in(text: &str, unit: Unit) -> Result<Self, ParseError> {
        parse(text, MAX_LIMITS, Some(unit))
    }
}

impl FromStr for Limit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl FromStr for Limits {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// Reads one to `max` limits, of this unit if one is given.
const fn parse(text: &str, max: usize, unit: Option<Unit>) -> Result<Limits, ParseError> {
    let mut parser = Parser::new(text, unit);
    attempt!(parser.require_ascii());
    parser.skip_space();
    if parser.is_at_end() {
        return Err(parser.error(Kind::Empty, (0, text.len())));
    }
    let start = parser.at;
    let mut limits = Limits::single(attempt!(parser.limit()));
    let mut spans = [(start, parser.at); MAX_LIMITS];
    while attempt!(parser.separator(spans[limits.len() - 1])) {
        let start = parser.at;
        let limit = attempt!(parser.limit());
        let span = (start, parser.at);
        attempt!(parser.join(&mut limits, limit, span, &mut spans, max));
    }
    Ok(match parser.unit {
        Some(unit) => limits.with_unit(unit),
        None => limits,
    })
}

impl Parser<'_> {
    /// A limit: a count, perhaps a unit, `/` or `per`, a window.
    const fn limit(&mut self) -> Result<Limit, ParseError> {
        let (count, mut number) = attempt!(self.count());
        let after_count = number.span.1;
        let unit = self.unit(&mut number);
        attempt!(self.per(&number));
        let window = attempt!(self.window(number.span.0));
        attempt!(self.one_unit(unit, (number.span.0, after_count)));
        Ok(Limit::from_millis(count, window))
    }

    /// Holds that all limits count one unit. `count` is the number before the `unit` of a limit.
    const fn one_unit(&mut self, unit: Option<Unit>, count: Span) -> Result<(), ParseError> {
        let found = match unit {
            Some(unit) => unit,
            None if self.may_omit_unit => return Ok(()),
            None => Unit::REQUESTS,
        };
        let Some(expected) = self.unit else {
            self.unit = Some(found);
            return Ok(());
        };
        if expected.equals(found) {
            return Ok(());
        }
        Err(self.other_unit(expected, found, unit.is_none(), count))
    }

    /// The count, and how it was written.
    const fn count(&mut self) -> Result<(NonZeroU64, Number), ParseError> {
        if !self.is_number() {
            return Err(self.no_count());
        }
        let number = attempt!(self.number(true));
        if number.is_zero() {
            return Err(self.error(Kind::ZeroCount, number.span));
        }
        if number.has_point {
            let window = self.window_after(&number);
            return Err(self.fractional_count(&number, window));
        }
        if let Some(count @ 1..=MAX_COUNT) = number.whole()
            && let Some(count) = NonZeroU64::new(count)
        {
            return Ok((count, number));
        }
        Err(self.error(Kind::CountTooLarge { max: MAX_COUNT }, number.span))
    }

    /// What follows a count; `None` if that is not a window. Stays where it is.
    const fn window_after(mut self, count: &Number) -> Option<WindowAfter> {
        let mut with_unit = *count;
        let unit = self.unit(&mut with_unit);
        let Ok(()) = self.per(&with_unit) else {
            return None;
        };
        match self.window(count.span.0) {
            Ok(window) => Some(WindowAfter {
                unit,
                window,
                end: self.at,
            }),
            Err(_) => None,
        }
    }

    /// The `/` or `per` between count and window.
    const fn per(&mut self, count: &Number) -> Result<(), ParseError> {
        self.skip_space();
        let span = self.token();
        if !is_per(self.slice(span)) {
            return Err(self.no_per(count));
        }
        self.at = span.1;
        self.skip_space();
        let again = self.token();
        if is_per(self.slice(again)) {
            return Err(self.superfluous(Kind::RepeatedPer, again));
        }
        Ok(())
    }

    /// A window in milliseconds: an optional number and a unit. `start` is where the limit starts.
    const fn window(&mut self, start: usize) -> Result<NonZeroU64, ParseError> {
        let number = if self.is_number() {
            attempt!(self.number(false))
        } else {
            Number::one(self.at)
        };
        self.skip_space();
        let word = (self.at, self.word_end(self.at));
        let Some(unit) = TimeUnit::from_spelling(self.slice(word)) else {
            return Err(self.no_unit(start, &number, word));
        };
        self.at = word.1;
        let span = (number.span.0, word.1);
        if number.is_zero() {
            return Err(self.error(Kind::ZeroWindow, span));
        }
        if number.has_point {
            return Err(self.fractional_window(&number, unit, span));
        }
        if let Some((number, _)) = number.ratio
            && let Some(millis) = number.checked_mul(unit.millis())
            && millis <= MAX_WINDOW_MILLIS
            && let Some(millis) = NonZeroU64::new(millis)
        {
            return Ok(millis);
        }
        Err(self.error(Kind::WindowTooLong { max: MAX_WINDOW }, span))
    }

    /// Moves to the next limit. Returns whether there is one after `limit`.
    const fn separator(&mut self, limit: Span) -> Result<bool, ParseError> {
        self.skip_space();
        if self.is_at_end() {
            return Ok(false);
        }
        if !self.is_separator() {
            return Err(self.no_separator(limit.0));
        }
        let separator = self.token();
        self.at = separator.1;
        self.skip_space();
        if self.is_at_end() {
            return Err(self.superfluous(Kind::StraySeparator, separator));
        }
        Ok(true)
    }

    /// Adds a limit to those before it.
    const fn join(
        &self,
        limits: &mut Limits,
        limit: Limit,
        span: Span,
        spans: &mut [Span; MAX_LIMITS],
        max: usize,
    ) -> Result<(), ParseError> {
        if limits.len() >= max || limits.len() >= MAX_LIMITS {
            return Err(self.error(Kind::TooMany { max }, span));
        }
        spans[limits.len()] = span;
        let (kind, span) = match limits.push(limit) {
            Ok(()) => return Ok(()),
            Err(LimitConflict::Full) => (Kind::TooMany { max }, span),
            Err(LimitConflict::Duplicate) => (Kind::Duplicate { limit }, span),
            Err(LimitConflict::NewRedundant { stricter }) => {
                (Kind::Redundant { limit, stricter }, span)
            }
            Err(LimitConflict::OldRedundant { index, limit: old }) => {
                let (limit, stricter) = (old, limit);
                (Kind::Redundant { limit, stricter }, spans[index])
            }
        };
        Err(self.error(kind, span))
    }
}
