//! A position in the input: reads bytes and tokens, and makes the errors that point at them.

use crate::const_str::slice;
use crate::parse_error::{ParseError, ParseErrorKind as Kind};
use crate::unit::Unit;

/// A range of bytes of the input.
pub(crate) type Span = (usize, usize);

/// A position in the input. After [`require_ascii`](Self::require_ascii) every byte is a character.
#[derive(Clone, Copy)]
pub(crate) struct Parser<'a> {
    text: &'a str,
    pub(crate) at: usize,
    /// What the limits count: given with the text, or said by the first limit.
    pub(crate) unit: Option<Unit>,
    /// Whether a limit that names no unit has the given one. Otherwise it counts requests.
    pub(crate) may_omit_unit: bool,
}

impl<'a> Parser<'a> {
    /// A parser of limits, which are of the given unit if there is one.
    pub(crate) const fn new(text: &'a str, unit: Option<Unit>) -> Self {
        Self {
            text,
            at: 0,
            unit,
            may_omit_unit: unit.is_some(),
        }
    }

    /// The byte at `at`, or 0 past the end.
    pub(crate) const fn byte(&self, at: usize) -> u8 {
        if at < self.text.len() {
            self.text.as_bytes()[at]
        } else {
            0
        }
    }

    pub(crate) const fn slice(&self, (start, end): Span) -> &'a str {
        slice(self.text, start, end)
    }

    pub(crate) const fn is_digit(&self, at: usize) -> bool {
        self.byte(at).is_ascii_digit()
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(crate) const fn is_separator(&self) -> bool {
        matches!(self.byte(self.at), b';' | b',' | b'|')
    }

    /// Whether a minus sign and a number come next.
    pub(crate) const fn is_negative(&self) -> bool {
        self.byte(self.at) == b'-' && self.is_digit(self.at + 1)
    }

    pub(crate) const fn skip_space(&mut self) {
        while self.byte(self.at).is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// The end of the letters at `at`.
    pub(crate) const fn word_end(&self, mut at: usize) -> usize {
        while self.byte(at).is_ascii_alphabetic() {
            at += 1;
        }
        at
    }

    /// The end of the name of a unit at `at`: letters, and hyphens between them.
    pub(crate) const fn unit_end(&self, at: usize) -> usize {
        let mut end = self.word_end(at);
        let mut next = end;
        while end > at && self.byte(next) == b'-' {
            next += 1;
            if self.word_end(next) > next {
                end = self.word_end(next);
                next = end;
            }
        }
        end
    }

    /// The end of the digits and underscores at `at`.
    pub(crate) const fn digits_end(&self, mut at: usize) -> usize {
        while self.is_digit(at) || self.byte(at) == b'_' {
            at += 1;
        }
        at
    }

    /// The token here: a word, digits, or one other byte; empty at the end.
    pub(crate) const fn token(&self) -> Span {
        let start = self.at;
        let end = if self.is_at_end() {
            start
        } else if self.word_end(start) > start {
            self.word_end(start)
        } else if self.digits_end(start) > start {
            self.digits_end(start)
        } else {
            start + 1
        };
        (start, end)
    }

    /// The token after `at` and any whitespace there.
    pub(crate) const fn token_after(&self, at: usize) -> &'a str {
        let mut ahead = *self;
        ahead.at = at;
        ahead.skip_space();
        ahead.slice(ahead.token())
    }

    /// The end of the last text before here that is not whitespace.
    pub(crate) const fn trimmed(&self) -> usize {
        let mut end = self.at;
        while end > 0 && self.byte(end - 1).is_ascii_whitespace() {
            end -= 1;
        }
        end
    }

    pub(crate) const fn require_ascii(&self) -> Result<(), ParseError> {
        if self.text.is_ascii() {
            return Ok(());
        }
        let mut start = 0;
        while self.byte(start).is_ascii() {
            start += 1;
        }
        let mut end = start + 1;
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Err(self.error(Kind::NotAscii, (start, end)))
    }

    pub(crate) const fn error(&self, kind: Kind, span: Span) -> ParseError {
        ParseError::new(kind, self.text, span)
    }

    /// An error for text that has to be deleted.
    pub(crate) const fn superfluous(&self, kind: Kind, span: Span) -> ParseError {
        self.error(kind, span).suggest("")
    }

    pub(crate) const fn unexpected(&self, expected: &'static str) -> ParseError {
        self.error(Kind::Unexpected { expected }, self.token())
    }

    /// The error for the negative number here.
    pub(crate) const fn negative(&self) -> ParseError {
        let end = self.digits_end(self.at + 1);
        self.error(Kind::Negative, (self.at, end))
    }
}

/// Whether `token` is the `/` or `per` between a count and a window.
pub(crate) const fn is_per(token: &str) -> bool {
    token.eq_ignore_ascii_case("/") || token.eq_ignore_ascii_case("per")
}
