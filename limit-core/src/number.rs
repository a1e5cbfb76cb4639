//! Numbers in a limit string: whole numbers, and errors for all others.

use crate::const_str::ConstStr;
use crate::parse_error::{ParseError, ParseErrorKind as Kind};
use crate::parser::{Parser, Span};

/// A number as it was written.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) span: Span,
    /// The value is `numerator / denominator`; `None` if that is more than 64 bits hold.
    pub(crate) ratio: Option<(u64, u64)>,
    /// Whether there is a decimal point.
    pub(crate) has_point: bool,
}

impl Number {
    /// The implicit number of a window such as `minute`.
    pub(crate) const fn one(at: usize) -> Self {
        Self {
            span: (at, at),
            ratio: Some((1, 1)),
            has_point: false,
        }
    }

    pub(crate) const fn is_zero(&self) -> bool {
        matches!(self.ratio, Some((0, _)))
    }

    /// The value, if it is whole and 64 bits hold it.
    pub(crate) const fn whole(&self) -> Option<u64> {
        match self.ratio {
            Some((value, 1)) => Some(value),
            _ => None,
        }
    }
}

impl Parser<'_> {
    /// Whether a number starts here, valid or not.
    pub(crate) const fn is_number(&self) -> bool {
        let mut at = self.at;
        while self.byte(at) == b'_' {
            at += 1;
        }
        if self.byte(at) == b'.' {
            at += 1;
        }
        self.is_digit(at)
    }

    /// Reads the number that starts here. A comma in a count is always an error; after the number
    /// of a window it may separate the next limit, so `is_count` says which one this is.
    pub(crate) const fn number(&mut self, is_count: bool) -> Result<Number, ParseError> {
        let start = self.at;
        let mut end = self.digits_end(start);
        if self.byte(end) == b',' && self.is_digit(end + 1) {
            let error = self.split_digits(start, b',');
            if is_count || error.suggestion().is_some() {
                return Err(error);
            }
        }
        let has_point = self.byte(end) == b'.';
        if has_point {
            end = self.digits_end(end + 1);
        }
        self.at = end;
        if self.is_underscore_misplaced(start, end) {
            return Err(self.misplaced_underscore(start, end));
        }
        Ok(Number {
            span: (start, end),
            ratio: self.ratio(start, end),
            has_point,
        })
    }

    const fn ratio(&self, start: usize, end: usize) -> Option<(u64, u64)> {
        let (mut numerator, mut denominator) = (0_u64, 1_u64);
        let mut after_point = false;
        let mut at = start;
        while at < end {
            let byte = self.byte(at);
            at += 1;
            match byte {
                b'.' => after_point = true,
                b'0'..=b'9' => {
                    numerator = match numerator.checked_mul(10) {
                        Some(tenfold) => match tenfold.checked_add((byte - b'0') as u64) {
                            Some(sum) => sum,
                            None => return None,
                        },
                        None => return None,
                    };
                    if after_point {
                        denominator = match denominator.checked_mul(10) {
                            Some(tenfold) => tenfold,
                            None => return None,
                        };
                    }
                }
                _ => {}
            }
        }
        let divisor = gcd(numerator, denominator);
        Some((numerator / divisor, denominator / divisor))
    }

    const fn is_underscore_misplaced(&self, start: usize, end: usize) -> bool {
        let mut at = start;
        while at < end {
            let alone = at > start && self.is_digit(at - 1) && self.is_digit(at + 1);
            if self.byte(at) == b'_' && !alone {
                return true;
            }
            at += 1;
        }
        false
    }

    const fn misplaced_underscore(&self, start: usize, end: usize) -> ParseError {
        let mut clean = ConstStr::<40>::EMPTY;
        let mut last = 0;
        let mut at = start;
        while at < end {
            let byte = self.byte(at);
            at += 1;
            let is_digit = byte.is_ascii_digit();
            let is_kept_underscore = byte == b'_' && last != b'_' && last != b'.' && last != 0;
            // Underscores at the end are dropped: one is kept only if a digit follows.
            if is_kept_underscore && self.is_next_a_digit(at, end) {
                last = b'_';
                clean.push_ascii(b'_');
            } else if is_digit || byte == b'.' {
                last = byte;
                clean.push_ascii(byte);
            }
        }
        self.error(Kind::MisplacedUnderscore, (start, end))
            .suggest(clean.as_str())
    }

    /// Whether a digit follows before `end`, with nothing but underscores before it.
    const fn is_next_a_digit(&self, mut at: usize, end: usize) -> bool {
        while at < end && self.byte(at) == b'_' {
            at += 1;
        }
        at < end && self.is_digit(at)
    }

    /// The error for `1,000` and `1 000`: digits with `by` between them.
    pub(crate) const fn split_digits(&self, start: usize, by: u8) -> ParseError {
        let mut joined = ConstStr::<40>::EMPTY;
        let mut proper = true;
        let mut at = start;
        let end = loop {
            let group = at;
            while self.is_digit(at) || self.byte(at) == b'_' {
                proper &= self.byte(at) != b'_';
                joined.push_ascii(self.byte(at));
                at += 1;
            }
            let len = at - group;
            proper &= len == 3 || (group == start && len < 3 && len > 0);
            if self.byte(at) != by || !self.is_digit(at + 1) {
                break at;
            }
            joined.push("_");
            at += 1;
        };
        let error = self.error(Kind::SplitDigits, (start, end));
        if proper {
            error.suggest(joined.as_str())
        } else {
            error
        }
    }
}

/// The greatest common divisor; `b` is not 0.
const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}
