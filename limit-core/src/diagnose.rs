//! Finds which mistake an invalid limit string has, and what was probably meant.
//!
//! Only invalid strings get here, so that [`grammar`](crate::grammar) reads as the grammar.

use crate::const_str::ConstStr;
use crate::counted::WindowAfter;
use crate::limit::{MAX_COUNT, MAX_WINDOW_MILLIS};
use crate::number::Number;
use crate::parse_error::{ParseError, ParseErrorKind as Kind};
use crate::parser::{Parser, Span, is_per};
use crate::suggest;
use crate::time_unit::TimeUnit;
use crate::unit::Unit;

impl Parser<'_> {
    /// No count where a limit begins.
    pub(crate) const fn no_count(&self) -> ParseError {
        let span = self.token();
        let token = self.slice(span);
        match self.byte(self.at) {
            b'-' if self.is_negative() => self.negative(),
            b';' | b',' | b'|' => self.superfluous(Kind::StraySeparator, span),
            _ if is_per(token) || TimeUnit::from_spelling(token).is_some() => {
                self.error(Kind::MissingCount, span)
            }
            _ => self.unexpected("a count, as in `10/minute`"),
        }
    }

    /// `1.5/s`: suggests the whole numbers that mean the same, `3/2s`.
    pub(crate) const fn fractional_count(
        &self,
        count: &Number,
        after: Option<WindowAfter>,
    ) -> ParseError {
        let (start, end) = count.span;
        if let Some(after) = after
            && let Some((numerator, denominator)) = count.ratio
            && let Some(millis) = after.window.get().checked_mul(denominator)
            && millis <= MAX_WINDOW_MILLIS
            && numerator <= MAX_COUNT
        {
            let mut whole = ConstStr::<64>::EMPTY;
            whole.push_number(numerator);
            if let Some(unit) = after.unit {
                whole.push(" ");
                whole.push(unit.as_str());
            }
            whole.push("/");
            whole.push_short_window(millis);
            return self
                .error(Kind::Fraction, (start, after.end))
                .suggest(whole.as_str());
        }
        self.error(Kind::Fraction, (start, end))
    }

    /// Neither `/` nor `per` after a count.
    pub(crate) const fn no_per(&self, count: &Number) -> ParseError {
        if self.is_at_end() || self.is_separator() {
            return self.error(Kind::MissingWindow, count.span);
        }
        if self.is_number() {
            return self.number_after_count(count);
        }
        let span = self.token();
        let word = self.slice(span);
        let written = self.slice(count.span);
        let both = (count.span.0, span.1);
        if self.is_unknown_unit(count) {
            return self.unknown_count_unit();
        }
        if let Some(zeros) = self.zeros(count, span) {
            let out = ConstStr::<64>::concat(&[written, zeros]);
            return self.error(Kind::NumberSuffix, both).suggest(out.as_str());
        }
        let unit = match TimeUnit::from_spelling(word) {
            Some(_) => Some(word),
            None if is_other_per(word) => {
                return self.error(Kind::MissingPer, span).suggest("per");
            }
            None => suggest::unit(word),
        };
        if let Some(unit) = unit {
            let corrected = ConstStr::<64>::concat(&[written, "/", unit]);
            return self
                .error(Kind::MissingPer, both)
                .suggest(corrected.as_str());
        }
        self.unexpected("`/` or `per` after the count, as in `10/minute`")
    }

    /// Whether the word here is where a unit may be, before a `/` or `per`.
    const fn is_unknown_unit(&self, count: &Number) -> bool {
        let word = (self.at, self.unit_end(self.at));
        let text = self.slice(word);
        !text.is_empty()
            && is_per(self.token_after(word.1))
            && !is_other_per(text)
            && self.zeros(count, word).is_none()
    }

    /// A word before `/` or `per` that is not a unit.
    const fn unknown_count_unit(&self) -> ParseError {
        let word = (self.at, self.unit_end(self.at));
        let error = self.error(Kind::UnknownCountUnit, word);
        match suggest::count_unit(self.slice(word)) {
            Some(unit) => error.suggest(unit.as_str()),
            None => error,
        }
    }

    /// A limit of another unit than those it is read with. If it names none, it may be one of them:
    /// `count` is then the number before the unit that is left out.
    pub(crate) const fn other_unit(
        &self,
        expected: Unit,
        found: Unit,
        names_none: bool,
        count: Span,
    ) -> ParseError {
        let limit = (count.0, self.at);
        let error = self.error(Kind::OtherUnit { expected, found }, limit);
        if !names_none {
            return error;
        }
        let rest = self.slice((count.1, self.at));
        let (written, unit) = (self.slice(count), expected.as_str());
        error.suggest(ConstStr::<64>::concat(&[written, " ", unit, rest]).as_str())
    }

    /// The zeros that the suffix at `span` means, as in `10k/minute`.
    const fn zeros(&self, count: &Number, span: Span) -> Option<&'static str> {
        if count.span.1 != span.0 || !self.ends_count(span.1) {
            return None;
        }
        match self.slice(span).as_bytes() {
            [b'k' | b'K'] => Some("_000"),
            [b'm' | b'M'] => Some("_000_000"),
            _ => None,
        }
    }

    /// Whether a `/` or `per` follows at `at`, perhaps behind a unit.
    const fn ends_count(&self, at: usize) -> bool {
        let mut ahead = *self;
        ahead.at = at;
        let mut count = Number::one(at);
        ahead.unit(&mut count);
        is_per(ahead.token_after(ahead.at))
    }

    /// `10 5 minutes` lacks a `/`, but `1 000/minute` is one number.
    const fn number_after_count(&self, count: &Number) -> ParseError {
        let split = self.split_digits(count.span.0, b' ');
        if split.suggestion().is_some() && self.ends_count(split.span().end) {
            return split;
        }
        let span = self.token();
        let corrected = ConstStr::<64>::concat(&[self.slice(count.span), "/", self.slice(span)]);
        self.error(Kind::MissingPer, (count.span.0, span.1))
            .suggest(corrected.as_str())
    }

    /// No unit at `word`, with or without a number before it. `start` is where the limit starts.
    pub(crate) const fn no_unit(&self, start: usize, number: &Number, word: Span) -> ParseError {
        if word.0 < word.1 {
            let error = self.error(Kind::UnknownUnit, word);
            return match suggest::unit(self.slice(word)) {
                Some(unit) => error.suggest(unit),
                None => error,
            };
        }
        if number.span.0 < number.span.1 {
            return self.error(Kind::MissingUnit, number.span);
        }
        if self.is_negative() {
            return self.negative();
        }
        if self.is_at_end() || self.is_separator() {
            return self.error(Kind::MissingWindow, (start, self.trimmed()));
        }
        self.unexpected("a window, as in `10/minute` or `10/5 minutes`")
    }

    /// `1.5 minutes`: suggests the whole number that means the same, `90s`.
    pub(crate) const fn fractional_window(
        &self,
        number: &Number,
        unit: TimeUnit,
        span: Span,
    ) -> ParseError {
        let error = self.error(Kind::Fraction, span);
        if let Some((numerator, denominator)) = number.ratio
            && let Some(millis) = numerator.checked_mul(unit.millis())
            && millis.is_multiple_of(denominator)
            && millis / denominator <= MAX_WINDOW_MILLIS
        {
            let mut whole = ConstStr::<64>::EMPTY;
            whole.push_short_window(millis / denominator);
            return error.suggest(whole.as_str());
        }
        error
    }

    /// No separator after the limit that starts at `start`.
    pub(crate) const fn no_separator(&self, start: usize) -> ParseError {
        let span = self.token();
        let token = self.slice(span);
        if token.eq_ignore_ascii_case("and") || matches!(self.byte(self.at), b'&' | b'+') {
            return self.error(Kind::MissingSeparator, span).suggest(";");
        }
        if self.is_number() {
            let limit = self.slice((start, self.trimmed()));
            let corrected = ConstStr::<64>::concat(&[limit, "; ", token]);
            return self
                .error(Kind::MissingSeparator, (start, span.1))
                .suggest(corrected.as_str());
        }
        self.unexpected("the end, or `;` and another limit")
    }
}

/// Whether `word` is another word for `per`, or a misspelling of it.
const fn is_other_per(word: &str) -> bool {
    word.eq_ignore_ascii_case("a")
        || word.eq_ignore_ascii_case("an")
        || word.eq_ignore_ascii_case("in")
        || word.eq_ignore_ascii_case("each")
        || word.eq_ignore_ascii_case("every")
        || suggest::is_nearly_per(word)
}
