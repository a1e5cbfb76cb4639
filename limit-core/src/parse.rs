//! The grammar of limit strings, read byte by byte so that it also runs in `const`.

use core::num::{NonZeroU32, NonZeroU64};

use crate::cursor::{Parser, Span};
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::limit::{Limit, MAX_WINDOW, MAX_WINDOW_MILLIS};
use crate::limits::{Clash, Limits, MAX_LIMITS};
use crate::number::Number;
use crate::unit::Unit;

/// What `?` does, which `const` cannot yet.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

/// Reads one to `max` limits.
pub(crate) const fn limits(text: &str, max: usize) -> Result<Limits, ParseError> {
    let mut parser = Parser::new(text);
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
    Ok(limits)
}

impl Parser<'_> {
    /// A limit: a count, `/` or `per`, a window.
    const fn limit(&mut self) -> Result<Limit, ParseError> {
        let (count, number) = attempt!(self.count());
        attempt!(self.per(&number));
        let window = attempt!(self.window(number.span.0));
        Ok(Limit::from_millis(count, window))
    }

    /// The count, and how it was written.
    const fn count(&mut self) -> Result<(NonZeroU32, Number), ParseError> {
        if !self.is_number() {
            return Err(self.no_count());
        }
        let number = attempt!(self.number(true));
        if number.is_zero() {
            return Err(self.error(Kind::ZeroCount, number.span));
        }
        if number.has_point {
            return Err(self.fractional_count(&number));
        }
        if let Some(count) = number.whole()
            && let Some(count) = NonZeroU32::new(count)
        {
            return Ok((count, number));
        }
        Err(self.error(Kind::CountTooLarge { max: u32::MAX }, number.span))
    }

    /// The `/` or `per` between count and window.
    pub(crate) const fn per(&mut self, count: &Number) -> Result<(), ParseError> {
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

    /// A window in milliseconds: an optional number and a unit. `start` is where the limit does.
    pub(crate) const fn window(&mut self, start: usize) -> Result<NonZeroU64, ParseError> {
        let number = if self.is_number() {
            attempt!(self.number(false))
        } else {
            Number::one(self.at)
        };
        self.skip_space();
        let word = (self.at, self.word_end(self.at));
        let Some(unit) = Unit::from_spelling(self.slice(word)) else {
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

    /// Moves to the next limit, if there is one after `limit`.
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
            Err(Clash::Full) => (Kind::TooMany { max }, span),
            Err(Clash::Same) => (Kind::Duplicate { limit }, span),
            Err(Clash::NewIdle { beside: stricter }) => {
                (Kind::NeverBinds { limit, stricter }, span)
            }
            Err(Clash::OldIdle { old, limit: idle }) => {
                let (limit, stricter) = (idle, limit);
                (Kind::NeverBinds { limit, stricter }, spans[old])
            }
        };
        Err(self.error(kind, span))
    }
}

/// Whether `token` stands between a count and a window.
pub(crate) const fn is_per(token: &str) -> bool {
    token.eq_ignore_ascii_case("/") || token.eq_ignore_ascii_case("per")
}
