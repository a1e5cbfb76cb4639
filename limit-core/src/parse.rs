//! The grammar of limit strings, read byte by byte so that it also runs in `const`.

use core::num::{NonZeroU32, NonZeroU64};

use crate::cursor::{Parser, Span};
use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::limit::{Limit, MAX_WINDOW, MAX_WINDOW_MILLIS};
use crate::limits::{Clash, Limits, MAX_LIMITS};
use crate::number::Number;
use crate::suggest;
use crate::text::Text;
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
    let mut spans = [(0, 0); MAX_LIMITS];
    let mut limits: Option<Limits> = None;
    loop {
        let start = parser.at;
        let limit = attempt!(parser.limit());
        let span = (start, parser.at);
        match &mut limits {
            None => {
                spans[0] = span;
                limits = Some(Limits::single(limit));
            }
            Some(limits) => attempt!(parser.join(limits, limit, span, &mut spans, max)),
        }
        parser.skip_space();
        if parser.is_at_end() {
            break;
        }
        attempt!(parser.separator(start));
    }
    match limits {
        Some(limits) => Ok(limits),
        None => Err(parser.error(Kind::Empty, (0, text.len()))),
    }
}

impl Parser<'_> {
    /// A limit: a count, `/` or `per`, a window.
    const fn limit(&mut self) -> Result<Limit, ParseError> {
        let (count, number) = match attempt!(self.count()) {
            (Some(count), number) => (count, number),
            (None, number) => return Err(self.fractional_count(&number)),
        };
        attempt!(self.per(&number));
        let window = attempt!(self.window(number.span.0));
        Ok(Limit::from_millis(count, window))
    }

    /// The count and how it was written; `None` if it has a fraction.
    const fn count(&mut self) -> Result<(Option<NonZeroU32>, Number), ParseError> {
        if !self.is_number() {
            return Err(self.no_count());
        }
        let number = attempt!(self.number(true));
        if number.is_zero() {
            return Err(self.error(Kind::ZeroCount, number.span));
        }
        if number.has_point {
            return Ok((None, number));
        }
        match number.whole() {
            Some(count) => Ok((NonZeroU32::new(count), number)),
            None => Err(self.error(Kind::CountTooLarge { max: u32::MAX }, number.span)),
        }
    }

    const fn no_count(&self) -> ParseError {
        let span = self.token();
        let token = self.slice(span);
        match self.byte(self.at) {
            b'-' if self.is_negative() => self.negative(),
            b';' | b',' | b'|' => self.superfluous(Kind::StraySeparator, span),
            _ if is_per(token) || Unit::from_spelling(token).is_some() => {
                self.error(Kind::MissingCount, span)
            }
            _ => self.unexpected("a count, as in `10/minute`"),
        }
    }

    /// `1.5/s` is refused, with the whole numbers that mean the same: `3/2s`.
    const fn fractional_count(&self, count: &Number) -> ParseError {
        let mut ahead = *self;
        let (start, end) = count.span;
        let window = match ahead.per(count) {
            Ok(()) => match ahead.window(start) {
                Ok(window) => window.get(),
                Err(_) => 0,
            },
            Err(_) => 0,
        };
        if let Some((numerator, denominator)) = count.ratio
            && let Some(window) = window.checked_mul(denominator)
            && window > 0
            && window <= MAX_WINDOW_MILLIS
            && numerator <= u32::MAX as u64
        {
            let mut whole = Text::<64>::EMPTY;
            whole.push_number(numerator);
            whole.push("/");
            whole.push_short_window(window);
            return self
                .error(Kind::Fraction, (start, ahead.at))
                .suggest(&whole);
        }
        self.error(Kind::Fraction, (start, end))
    }

    /// The `/` or `per` between count and window.
    const fn per(&mut self, count: &Number) -> Result<(), ParseError> {
        self.skip_space();
        let span = self.token();
        if !is_per(self.slice(span)) {
            return Err(self.no_per(count, span));
        }
        self.at = span.1;
        self.skip_space();
        let again = self.token();
        if is_per(self.slice(again)) {
            return Err(self.superfluous(Kind::RepeatedPer, again));
        }
        Ok(())
    }

    const fn no_per(&self, count: &Number, span: Span) -> ParseError {
        let start = count.span.0;
        if self.is_at_end() || self.is_separator() {
            return self.error(Kind::MissingWindow, count.span);
        }
        if self.is_number() {
            return self.number_after_count(start, span.1);
        }
        let word = self.slice(span);
        if count.span.1 == span.0 && is_per(self.token_after(span.1)) && !count.has_point {
            let zeros = match self.byte(span.0).to_ascii_lowercase() {
                b'k' if word.len() == 1 => "_000",
                b'm' if word.len() == 1 => "_000_000",
                _ => "",
            };
            if !zeros.is_empty() {
                let mut out = Text::<64>::EMPTY;
                out.push(self.slice(count.span));
                out.push(zeros);
                return self
                    .error(Kind::NumberSuffix, (start, span.1))
                    .suggest(&out);
            }
        }
        if Unit::from_spelling(word).is_some() || suggest::unit(word).is_some() {
            let mut with_slash = Text::<64>::EMPTY;
            with_slash.push(self.slice(count.span));
            with_slash.push("/");
            with_slash.push(word);
            return self
                .error(Kind::MissingPer, (start, span.1))
                .suggest(&with_slash);
        }
        if is_other_per(word) {
            let mut per = Text::<3>::EMPTY;
            per.push("per");
            return self.error(Kind::MissingPer, span).suggest(&per);
        }
        self.unexpected("`/` or `per` after the count, as in `10/minute`")
    }

    /// `10 5 minutes` lacks a `/`, but `1 000/minute` is one number.
    const fn number_after_count(&self, start: usize, end: usize) -> ParseError {
        let split = self.split_digits(start, b' ');
        if split.suggestion().is_some() && is_per(self.token_after(split.span().end)) {
            return split;
        }
        let mut with_slash = Text::<64>::EMPTY;
        with_slash.push(self.slice((start, self.trimmed())));
        with_slash.push("/");
        with_slash.push(self.slice((self.at, end)));
        self.error(Kind::MissingPer, (start, end))
            .suggest(&with_slash)
    }

    /// A window in milliseconds: an optional number and a unit. `start` is where the limit does.
    const fn window(&mut self, start: usize) -> Result<NonZeroU64, ParseError> {
        let has_number = self.is_number();
        let number = if has_number {
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

    const fn no_unit(&self, start: usize, number: &Number, word: Span) -> ParseError {
        let has_number = number.span.0 < number.span.1;
        if word.0 < word.1 {
            let error = self.error(Kind::UnknownUnit, word);
            return match suggest::unit(self.slice(word)) {
                Some(unit) => {
                    let mut text = Text::<28>::EMPTY;
                    text.push(unit);
                    error.suggest(&text)
                }
                None => error,
            };
        }
        if has_number {
            return self.error(Kind::MissingUnit, number.span);
        }
        if self.is_negative() {
            return self.negative();
        }
        if self.is_at_end() || self.is_separator() {
            return self.error(Kind::MissingWindow, (start, self.trimmed()));
        }
        let expected = "a window, as in `10/minute` or `10/5 minutes`";
        self.unexpected(expected)
    }

    /// `1.5 minutes` is refused, with the whole number that means the same: `90s`.
    const fn fractional_window(&self, number: &Number, unit: Unit, span: Span) -> ParseError {
        let error = self.error(Kind::Fraction, span);
        if let Some((numerator, denominator)) = number.ratio
            && let Some(millis) = numerator.checked_mul(unit.millis())
            && millis.is_multiple_of(denominator)
            && millis / denominator <= MAX_WINDOW_MILLIS
        {
            let mut whole = Text::<64>::EMPTY;
            whole.push_short_window(millis / denominator);
            return error.suggest(&whole);
        }
        error
    }

    /// What comes after a limit that is not the last; `start` is where that limit does.
    const fn separator(&mut self, start: usize) -> Result<(), ParseError> {
        let span = self.token();
        if self.is_separator() {
            self.at += 1;
            self.skip_space();
            return if self.is_at_end() {
                Err(self.superfluous(Kind::StraySeparator, span))
            } else {
                Ok(())
            };
        }
        let token = self.slice(span);
        if token.eq_ignore_ascii_case("and") || matches!(self.byte(self.at), b'&' | b'+') {
            let mut semicolon = Text::<1>::EMPTY;
            semicolon.push(";");
            return Err(self.error(Kind::MissingSeparator, span).suggest(&semicolon));
        }
        if self.is_number() {
            let mut separated = Text::<64>::EMPTY;
            separated.push(self.slice((start, self.trimmed())));
            separated.push("; ");
            separated.push(token);
            return Err(self
                .error(Kind::MissingSeparator, (start, span.1))
                .suggest(&separated));
        }
        Err(self.unexpected("the end, or `;` and another limit"))
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
            Err(Clash::NewIdle { beside }) => {
                let stricter = beside;
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
const fn is_per(token: &str) -> bool {
    token.eq_ignore_ascii_case("/") || token.eq_ignore_ascii_case("per")
}

/// Whether `word` is what people write or mistype for `per`.
const fn is_other_per(word: &str) -> bool {
    word.eq_ignore_ascii_case("a")
        || word.eq_ignore_ascii_case("an")
        || word.eq_ignore_ascii_case("in")
        || word.eq_ignore_ascii_case("each")
        || word.eq_ignore_ascii_case("every")
        || suggest::is_nearly_per(word)
}
