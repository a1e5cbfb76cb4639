//! Text for a header, put together where it costs nothing and copied once at its exact length.

use super::headers::Label;
use http::HeaderValue;
use smallvec::SmallVec;
use std::fmt;

/// Longer than nearly all headers of this crate.
const INLINE: usize = 128;

#[derive(Default)]
pub(super) struct Text(SmallVec<[u8; INLINE]>);

impl Text {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn str(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// In decimal digits; several times quicker than through a formatter.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut first = digits.len();
        let mut rest = number;
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            first = place;
            if rest == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[first..]);
        self
    }

    /// In quotes.
    pub(super) fn label(&mut self, label: &Label<'_>) -> &mut Self {
        self.str("\"");
        // Writing here cannot fail.
        let _ = label.write_to(self);
        self.str("\"")
    }

    /// `None` if it is no header value, which text of this crate always is.
    pub(super) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&self.0).ok()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_by_a_formatter() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX] {
            let mut text = Text::new();
            let value = text.str("r=").number(number).value().unwrap();
            assert_eq!(value, format!("r={number}").as_str());
        }
    }
}
