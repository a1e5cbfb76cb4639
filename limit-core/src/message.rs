//! The message of a [`ParseError`], built in `const` because it is also a compile error.
//!
//! Every message is `what was found: what is allowed and what to write instead`, on one line.

use core::fmt;

use crate::const_str::{ConstStr, hex_digit};
use crate::parse_error::{ParseError, ParseErrorKind as Kind};
use crate::time_unit::ALLOWED;
use crate::unit::{KNOWN_NAMES, Unit};

/// Room for the longest message. Tests check that no message is cut.
type Message = ConstStr<400>;

impl ParseError {
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
        self.help_text()
    }

    /// The whole message.
    pub(crate) const fn text(&self) -> Message {
        let mut text = self.problem();
        text.push(": ");
        text.push(self.help_text().as_str());
        text
    }

    /// What was found.
    pub(crate) const fn problem(&self) -> Message {
        let mut text = Message::EMPTY;
        let (before, after) = match self.kind() {
            Kind::Empty => {
                text.push("empty limit string");
                return text;
            }
            Kind::NotAscii => {
                text.push("unexpected character ");
                push_character(&mut text, self.found());
                return text;
            }
            Kind::Redundant { .. } => ("", " has no effect"),
            Kind::Duplicate { .. } => ("", " is a duplicate"),
            Kind::TooMany { max: 1 } => ("", " is a second limit"),
            Kind::TooMany { .. } => ("", " is one limit too many"),
            Kind::CountTooLarge { .. } => ("count ", " is too large"),
            Kind::WindowTooLong { .. } => ("window ", " is too long"),
            Kind::Unexpected { .. } => ("unexpected ", ""),
            Kind::StraySeparator => ("stray separator ", ""),
            Kind::MissingSeparator => ("missing separator between limits at ", ""),
            Kind::MissingCount => ("missing count before ", ""),
            Kind::ZeroCount => ("zero count ", ""),
            Kind::Negative => ("negative number ", ""),
            Kind::Fraction => ("fraction in ", ""),
            Kind::SplitDigits => ("split digits in ", ""),
            Kind::NumberSuffix => ("suffix on the number ", ""),
            Kind::MisplacedUnderscore => ("misplaced underscore in ", ""),
            Kind::MissingPer => ("missing `/` or `per` at ", ""),
            Kind::RepeatedPer => ("repeated ", ""),
            Kind::MissingWindow => ("missing window after ", ""),
            Kind::MissingUnit => ("missing unit after ", ""),
            Kind::UnknownUnit | Kind::UnknownCountUnit => ("unknown unit ", ""),
            Kind::OtherUnit { .. } => ("another unit in ", ""),
            Kind::ZeroWindow => ("zero window ", ""),
        };
        text.push(before);
        text.push_quoted(self.found());
        text.push(after);
        text
    }

    /// What is allowed and what to write instead.
    pub(crate) const fn help_text(&self) -> Message {
        let mut text = Message::EMPTY;
        match self.kind() {
            Kind::Empty => {
                text.push("write one limit or several, as `10/minute` or `10/second; 100/minute`");
            }
            Kind::NotAscii => text.push("only ASCII is allowed, as in `10/minute`"),
            Kind::Unexpected { expected } => {
                text.push("expected ");
                text.push(expected);
            }
            Kind::StraySeparator => {
                text.push("a separator goes between two limits; remove this one");
            }
            Kind::MissingSeparator => {
                text.push("limits are separated by `;`");
                self.push_write(&mut text, "; ", "");
            }
            Kind::MissingCount => text.push("a limit is a count per window, as `10/minute`"),
            Kind::ZeroCount | Kind::CountTooLarge { .. } => {
                text.push("a count is a whole number from 1 to 999_999_999_999_999");
            }
            Kind::Negative => {
                text.push("counts and windows are whole numbers from 1 up, as `10/5 minutes`");
            }
            Kind::Fraction => {
                text.push("counts and windows are whole numbers");
                self.push_write(&mut text, "; ", "; for 1.5 per second write `3/2s`");
            }
            Kind::SplitDigits => {
                text.push("a comma or a space ends a number");
                self.push_write(&mut text, "; ", "; a thousand is written `1_000`");
            }
            Kind::NumberSuffix => {
                text.push("a count has no suffix");
                self.push_write(&mut text, "; ", "; ten thousand is `10_000`");
            }
            Kind::MisplacedUnderscore => {
                text.push("an underscore goes between two digits");
                self.push_write(&mut text, "; ", ", as in `1_000`");
            }
            Kind::MissingPer => {
                let other = "write `/` or `per` between count and window, as `10/minute`";
                self.push_write(&mut text, "", other);
            }
            Kind::RepeatedPer => {
                text.push("write `/` or `per` once between count and window; remove this one");
            }
            Kind::MissingWindow => {
                text.push("a limit is a count per window, as `10/minute` or `10 per 5 minutes`");
            }
            Kind::MissingUnit => {
                text.push("a window has a unit, as `5s` or `5 minutes`; allowed: ");
                text.push(ALLOWED);
            }
            Kind::UnknownUnit => {
                if let Some(unit) = self.suggestion() {
                    text.push("did you mean ");
                    text.push_quoted(unit);
                    text.push("? ");
                }
                text.push("allowed: ");
                text.push(ALLOWED);
            }
            Kind::UnknownCountUnit => {
                if let Some(unit) = self.suggestion() {
                    text.push("did you mean ");
                    text.push_quoted(unit);
                    text.push("? ");
                }
                text.push("known: ");
                text.push(KNOWN_NAMES);
                text.push("; another one is set beside the string, as `unit = \"");
                text.push(match (Unit::new(self.found()), self.suggestion()) {
                    (Ok(_), None) => self.found(),
                    _ => "frames",
                });
                text.push("\"`");
            }
            Kind::OtherUnit { expected, found } => {
                text.push("limits that are read together count one unit, here ");
                text.push_quoted(expected.as_str());
                self.push_write(&mut text, "; ", "");
                text.push("; limits in ");
                text.push_quoted(found.as_str());
                text.push(" need an attribute or a layer of their own, with another `name`");
            }
            Kind::ZeroWindow => text.push("a window is at least `1 ms`, as `10/second`"),
            Kind::WindowTooLong { .. } => {
                text.push("a window is at most `3650 days`, which is `10 years`");
            }
            Kind::TooMany { max: 1 } => text.push("only one is allowed here; remove the others"),
            Kind::TooMany { max } => {
                text.push("at most ");
                text.push_number(max as u64);
                text.push(" are allowed; remove the others");
            }
            Kind::Duplicate { limit } => {
                text.push("the list already has ");
                push_limit(&mut text, limit);
                text.push("; remove this one");
            }
            Kind::Redundant { stricter, .. } => {
                push_limit(&mut text, stricter);
                text.push(
                    " always rejects first; remove this limit, or give it a smaller count or a \
                     longer window",
                );
            }
        }
        text
    }

    /// "write `…`" if there is a suggestion, otherwise `other`.
    const fn push_write(&self, text: &mut Message, before: &str, other: &str) {
        match self.suggestion() {
            Some(suggestion) => {
                text.push(before);
                text.push("write ");
                text.push_quoted(suggestion);
            }
            None => text.push(other),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.text(), f)
    }
}

const fn push_limit(text: &mut Message, limit: crate::Limit) {
    text.push("`");
    text.push_limit(limit);
    text.push("`");
}

/// Adds a character outside ASCII: its code point, and itself if it is likely to be visible.
const fn push_character(text: &mut Message, character: &str) {
    let code = code_point(character.as_bytes());
    if is_visible(code) {
        text.push_quoted(character);
        text.push(" (");
    }
    text.push("U+");
    let mut shift: u32 = match code {
        0x10_0000.. => 20,
        0x1_0000.. => 16,
        _ => 12,
    };
    loop {
        text.push_ascii(hex_digit(((code >> shift) & 15) as u8));
        if shift == 0 {
            break;
        }
        shift -= 4;
    }
    if is_visible(code) {
        text.push(")");
    }
}

/// The code point of the first character, which takes more than one byte.
const fn code_point(utf8: &[u8]) -> u32 {
    match *utf8 {
        [a, b] => ((a as u32 & 0x1F) << 6) | (b as u32 & 0x3F),
        [a, b, c] => ((a as u32 & 0x0F) << 12) | ((b as u32 & 0x3F) << 6) | (c as u32 & 0x3F),
        [a, b, c, d] => {
            ((a as u32 & 0x07) << 18)
                | ((b as u32 & 0x3F) << 12)
                | ((c as u32 & 0x3F) << 6)
                | (d as u32 & 0x3F)
        }
        _ => 0xFFFD,
    }
}

/// Whether a character is not a control, space, joiner, direction mark or otherwise invisible.
const fn is_visible(code: u32) -> bool {
    !matches!(
        code,
        0x80..=0xA0
            | 0xAD
            | 0x0300..=0x036F
            | 0x061C
            | 0x115F..=0x1160
            | 0x1680
            | 0x17B4..=0x17B5
            | 0x180B..=0x180F
            | 0x2000..=0x200F
            | 0x2028..=0x202F
            | 0x205F..=0x206F
            | 0x3000
            | 0x3164
            | 0xE000..=0xF8FF
            | 0xFE00..=0xFE0F
            | 0xFEFF
            | 0xFFA0
            | 0xFFF0..=0xFFFB
            | 0xE0000..
    )
}
