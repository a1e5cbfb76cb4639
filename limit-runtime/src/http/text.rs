//! Text for a header, put together where it costs nothing and copied once at its exact length.

use super::headers::Label;
use http::HeaderValue;
use std::fmt;

/// Longer than nearly all headers of this crate.
const INLINE: usize = 128;

pub(super) struct Text {
    inline: [u8; INLINE],
    len: usize,
    /// All of it, once it is longer than what is inline.
    spilled: Vec<u8>,
}

impl Text {
    pub(super) fn new() -> Self {
        Self {
            inline: [0; INLINE],
            len: 0,
            spilled: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len + bytes.len();
        match self.inline.get_mut(self.len..end) {
            Some(room) if self.spilled.is_empty() => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.spill(bytes),
        }
        self
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if self.spilled.is_empty() {
            let inline = self.inline.get(..self.len).unwrap_or_default();
            self.spilled.extend_from_slice(inline);
        }
        self.spilled.extend_from_slice(bytes);
    }

    /// In decimal digits, two at a time; several times quicker than through a formatter.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        let mut rest = number;
        for pair in digits.rchunks_exact_mut(2) {
            let two = u8::try_from(rest % 100).unwrap_or_default();
            pair.copy_from_slice(&[b'0' + two / 10, b'0' + two % 10]);
            first -= 2;
            rest /= 100;
            if rest == 0 {
                break;
            }
        }
        // The first pair may hold one digit only.
        first += usize::from(digits.get(first) == Some(&b'0'));
        self.bytes(digits.get(first..).unwrap_or_default())
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
        let inline = self.inline.get(..self.len).unwrap_or_default();
        let all = if self.spilled.is_empty() {
            inline
        } else {
            &self.spilled
        };
        HeaderValue::from_bytes(all).ok()
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
    fn text_of_any_length_is_kept() {
        for length in [0, 1, INLINE - 1, INLINE, INLINE + 1, 3 * INLINE] {
            let mut text = Text::new();
            for _ in 0..length {
                text.str("a");
            }
            let value = text.str("").str("bc").value().unwrap();
            assert_eq!(value, format!("{}bc", "a".repeat(length)).as_str());
        }
    }

    #[test]
    fn numbers_are_written_as_by_a_formatter() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX] {
            let mut text = Text::new();
            let value = text.str("r=").number(number).value().unwrap();
            assert_eq!(value, format!("r={number}").as_str());
        }
    }
}
