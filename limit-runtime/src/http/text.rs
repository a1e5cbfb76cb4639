//! Text for a header or a body, put together where it costs nothing and copied once.

use super::{chunk, headers::Label};
use http::HeaderValue;
use std::fmt;

/// Longer than nearly all headers of this crate.
const INLINE: usize = 128;

pub(super) struct Text<const N: usize = INLINE> {
    inline: [u8; N],
    len: usize,
    /// All of it, once it is longer than what is inline.
    spilled: Vec<u8>,
}

impl<const N: usize> Text<N> {
    pub(super) fn new() -> Self {
        Self {
            inline: [0; N],
            len: 0,
            spilled: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
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

    /// In decimal digits.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.str(itoa::Buffer::new().format(number))
    }

    /// In quotes.
    pub(super) fn label(&mut self, label: &Label) -> &mut Self {
        self.str("\"");
        // Writing here cannot fail.
        let _ = label.write_to(self);
        self.str("\"")
    }

    /// All that has been written.
    pub(super) fn as_bytes(&self) -> &[u8] {
        if self.spilled.is_empty() {
            self.inline.get(..self.len).unwrap_or_default()
        } else {
            &self.spilled
        }
    }

    /// `None` if it is no header value, which text of this crate always is.
    pub(super) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(chunk::joined([self.as_bytes()])).ok()
    }
}

/// A number as the value of a header: what `HeaderValue` makes of one takes an allocation more.
pub(super) fn number(number: u64) -> HeaderValue {
    let mut digits = itoa::Buffer::new();
    let joined = chunk::joined([digits.format(number).as_bytes()]);
    HeaderValue::from_maybe_shared(joined).unwrap_or_else(|_| number.into())
}

/// The value of a header as a whole number, if it is one.
pub(super) fn parse_number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

impl<const N: usize> fmt::Write for Text<N> {
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
            let mut text = Text::<INLINE>::new();
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
            let mut text = Text::<INLINE>::new();
            let value = text.str("r=").number(number).value().unwrap();
            assert_eq!(value, format!("r={number}").as_str());
        }
    }
}
