//! What limits count.

use core::error::Error;
use core::fmt;
use core::str::FromStr;

use crate::const_str::ConstStr;

/// The most characters in the name of a unit.
const LONGEST: usize = 16;

/// What [`Limits`](crate::Limits) count: requests, unless something else is said.
///
/// The known units can be written in a limit string: `100_000 tokens/minute`. Any other one is set
/// beside the string, with the option `unit` of the attribute or of
/// [`limits!`](crate::limits!), or with [`Limits::with_unit`](crate::Limits::with_unit). Its name
/// is at most 16 lower-case letters and hyphens. It is kept inline, so a `Unit` is 16 bytes and
/// `Copy`.
///
/// Names are plural. `Display` writes the name.
///
/// ```
/// use limit_core::{Limits, Unit, UnitError, limits};
///
/// const CHAT: Limits = limits!("100_000 tokens/minute; 2_000_000 tokens/day");
/// assert_eq!(CHAT.unit(), Unit::TOKENS);
///
/// const VIDEO: Limits = limits!("3_000/minute", unit = "frames");
/// assert_eq!(VIDEO.unit(), Unit::new("frames")?);
/// assert_eq!(VIDEO.to_string(), "3000 frames per minute");
///
/// assert_eq!(limits!("10/minute").unit(), Unit::REQUESTS);
/// # Ok::<(), UnitError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Its name. The rest is zeros.
    name: [u8; LONGEST],
}

/// The known units, each with its singular.
pub(crate) const KNOWN: [(Unit, &str); 7] = [
    (Unit::REQUESTS, "request"),
    (Unit::TOKENS, "token"),
    (Unit::BYTES, "byte"),
    (Unit::CHARACTERS, "character"),
    (Unit::IMAGES, "image"),
    (Unit::SECONDS, "second"),
    (Unit::CREDITS, "credit"),
];

/// The known units as an error message lists them.
pub(crate) const KNOWN_NAMES: &str =
    "requests, tokens, bytes, characters, images, seconds, credits";

impl Unit {
    /// Requests, each with its cost. The unit of limits that name none.
    pub const REQUESTS: Self = Self::known("requests");

    /// Tokens of a language model.
    pub const TOKENS: Self = Self::known("tokens");

    /// Bytes. In `RateLimit-Policy` they are `content-bytes`, the name in the registry of quota
    /// units.
    pub const BYTES: Self = Self::known("bytes");

    /// Characters.
    pub const CHARACTERS: Self = Self::known("characters");

    /// Images.
    pub const IMAGES: Self = Self::known("images");

    /// Seconds of work, such as those of audio. Not the seconds of a window.
    pub const SECONDS: Self = Self::known("seconds");

    /// Credits.
    pub const CREDITS: Self = Self::known("credits");

    /// The unit of this name: a known one in singular or plural, in any case, or another one of at
    /// most 16 lower-case letters and hyphens.
    ///
    /// # Errors
    ///
    /// The name is empty, too long, has other characters, begins or ends with a hyphen, or is
    /// `per`.
    ///
    /// ```
    /// use limit_core::Unit;
    ///
    /// assert_eq!(Unit::new("gpu-seconds")?.as_str(), "gpu-seconds");
    /// assert_eq!(Unit::new("Token")?, Unit::TOKENS);
    /// assert_eq!(
    ///     Unit::new("Frames").unwrap_err().to_string(),
    ///     "`Frames` is not a unit: write at most 16 lower-case letters and hyphens, as `frames`",
    /// );
    /// # Ok::<(), limit_core::UnitError>(())
    /// ```
    pub const fn new(name: &str) -> Result<Self, UnitError> {
        if let Some(known) = Self::from_spelling(name) {
            return Ok(known);
        }
        let bytes = name.as_bytes();
        let error = Err(UnitError {
            name: ConstStr::excerpt(name),
        });
        if bytes.is_empty() || bytes.len() > LONGEST || name.eq_ignore_ascii_case("per") {
            return error;
        }
        let mut i = 0;
        while i < bytes.len() {
            let is_inside = 0 < i && i + 1 < bytes.len();
            let is_valid = bytes[i].is_ascii_lowercase() || (bytes[i] == b'-' && is_inside);
            if !is_valid {
                return error;
            }
            i += 1;
        }
        Ok(Self::known(name))
    }

    /// A name that is known to be valid.
    const fn known(name: &str) -> Self {
        let mut unit = Self { name: [0; LONGEST] };
        let mut i = 0;
        while i < name.len() && i < LONGEST {
            unit.name[i] = name.as_bytes()[i];
            i += 1;
        }
        unit
    }

    /// The known unit that a word means, in singular or plural.
    pub(crate) const fn from_spelling(word: &str) -> Option<Self> {
        let mut i = 0;
        while i < KNOWN.len() {
            let (unit, singular) = &KNOWN[i];
            if word.eq_ignore_ascii_case(unit.as_str()) || word.eq_ignore_ascii_case(singular) {
                return Some(*unit);
            }
            i += 1;
        }
        None
    }

    /// The name: in plural, in lower case.
    ///
    /// ```
    /// # use limit_core::Unit;
    /// assert_eq!(Unit::TOKENS.as_str(), "tokens");
    /// ```
    #[must_use]
    pub const fn as_str(&self) -> &str {
        let mut len = 0;
        while len < LONGEST && self.name[len] != 0 {
            len += 1;
        }
        match self.name.split_at_checked(len) {
            Some((name, _)) => match core::str::from_utf8(name) {
                Ok(name) => name,
                Err(_) => "",
            },
            None => "",
        }
    }

    /// Whether it is [`REQUESTS`](Self::REQUESTS), which texts do not name.
    ///
    /// ```
    /// # use limit_core::Unit;
    /// assert!(Unit::default().is_requests());
    /// ```
    #[must_use]
    pub const fn is_requests(&self) -> bool {
        self.equals(Self::REQUESTS)
    }

    pub(crate) const fn equals(&self, other: Self) -> bool {
        u128::from_ne_bytes(self.name) == u128::from_ne_bytes(other.name)
    }

    /// The name after a count: in singular after 1, where it is known.
    pub(crate) const fn after(&self, count: u64) -> &str {
        let mut i = 0;
        while count == 1 && i < KNOWN.len() {
            if self.equals(KNOWN[i].0) {
                return KNOWN[i].1;
            }
            i += 1;
        }
        self.as_str()
    }

    /// The name in the parameter `qu` of the header `RateLimit-Policy`; `None` for requests, which
    /// it does not name.
    #[doc(hidden)]
    #[must_use]
    pub const fn in_headers(&self) -> Option<&str> {
        if self.is_requests() {
            None
        } else if self.equals(Self::BYTES) {
            Some("content-bytes")
        } else {
            Some(self.as_str())
        }
    }
}

impl Default for Unit {
    fn default() -> Self {
        Self::REQUESTS
    }
}

impl FromStr for Unit {
    type Err = UnitError;

    fn from_str(name: &str) -> Result<Self, UnitError> {
        Self::new(name)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({self})")
    }
}

/// Why a text is not the name of a [`Unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitError {
    name: ConstStr<30>,
}

impl UnitError {
    /// The message, also for compile errors.
    pub(crate) const fn text(&self) -> ConstStr<160> {
        let mut text = ConstStr::EMPTY;
        text.push_quoted(self.name.as_str());
        text.push(" is not a unit: write at most 16 lower-case letters and hyphens, as `frames`");
        text
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.text(), f)
    }
}

impl Error for UnitError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_known_units_is_that_of_messages() {
        let mut names = KNOWN_NAMES.split(", ");
        for (unit, singular) in KNOWN {
            assert_eq!(names.next(), Some(unit.as_str()));
            assert_eq!(Unit::new(singular), Ok(unit));
            assert_eq!(unit.after(1), singular);
            assert_eq!(unit.after(2), unit.as_str());
        }
        assert_eq!(names.next(), None);
    }
}
