//! Buffers for header values and bodies: text on the stack, and shared allocations for values.

use super::label::Label;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use std::{cell::RefCell, fmt};

/// Bytes of a shared allocation: room for the values of some dozens of responses. It is freed once all
/// of them are dropped, so a value that is kept holds at most this much memory.
const CHUNK: usize = 1_024;

thread_local! {
    static CURRENT_CHUNK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Concatenates `parts` in what is left of this thread's shared allocation.
pub(crate) fn joined<const N: usize>(parts: [&[u8]; N]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > CHUNK {
        return parts.concat().into();
    }
    let in_chunk = |chunk: &RefCell<BytesMut>| {
        let mut chunk = chunk.try_borrow_mut().ok()?;
        if length > chunk.capacity() {
            chunk.reserve(CHUNK);
        }
        for part in parts {
            chunk.extend_from_slice(part);
        }
        Some(chunk.split().freeze())
    };
    // A thread that is about to end has no thread-local memory any more.
    let joined = CURRENT_CHUNK.try_with(in_chunk).ok().flatten();
    joined.unwrap_or_else(|| parts.concat().into())
}

/// Bytes on the stack: longer than nearly all headers of this crate.
const INLINE: usize = 128;

/// Text of a header or a body. It is put together on the stack, and on the heap once it is longer
/// than `N` bytes.
pub(crate) struct Text<const N: usize = INLINE> {
    inline: [u8; N],
    len: usize,
    /// The whole text once it is longer than `N` bytes; empty before.
    spilled: Vec<u8>,
}

impl<const N: usize> Text<N> {
    pub(crate) fn new() -> Self {
        Self {
            inline: [0; N],
            len: 0,
            spilled: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
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

    /// Appends a number in decimal digits.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.str(itoa::Buffer::new().format(number))
    }

    /// Appends a label in quotes.
    pub(crate) fn label(&mut self, label: &Label) -> &mut Self {
        self.str("\"");
        // Writing to a `Text` cannot fail.
        let _ = label.write_to(self);
        self.str("\"")
    }

    /// The bytes written so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        if self.spilled.is_empty() {
            self.inline.get(..self.len).unwrap_or_default()
        } else {
            &self.spilled
        }
    }

    /// The text as a header value. `None` for bytes that headers do not allow, which this crate
    /// never writes.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(joined([self.as_bytes()])).ok()
    }
}

/// A number as a header value, without the allocation that `HeaderValue::from` makes.
pub(crate) fn number(number: u64) -> HeaderValue {
    let mut digits = itoa::Buffer::new();
    let joined = joined([digits.format(number).as_bytes()]);
    HeaderValue::from_maybe_shared(joined).unwrap_or_else(|_| number.into())
}

/// The whole number that a header value holds; `None` if it holds anything else.
pub(crate) fn parse_number(value: &HeaderValue) -> Option<u64> {
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

    #[test]
    fn values_keep_their_text_over_many_chunks() {
        let texts: Vec<String> = (0..1_000)
            .map(|number| format!("\"predict\";r={number};t={}", "6".repeat(number % 70)))
            .collect();
        let kept: Vec<Bytes> = texts.iter().map(|text| joined([text.as_bytes()])).collect();
        for (text, kept) in texts.iter().zip(&kept) {
            assert_eq!(kept, text);
        }
    }

    #[test]
    fn parts_are_joined_in_their_order() {
        assert_eq!(
            joined([b"\"predict\";r=", b"9", b"", b";t=6"]),
            "\"predict\";r=9;t=6"
        );
    }

    #[test]
    fn text_of_any_length_is_copied() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 0, 1] {
            let text = vec![b'a'; length];
            let copies = [joined([&text]), joined([&text, &[]])];
            assert!(copies.iter().all(|copy| *copy == text));
        }
    }

    #[test]
    fn a_chunk_is_used_again_once_its_values_are_gone() {
        let text = [b'a'; CHUNK / 4];
        let first = joined([&[b'b'; CHUNK]]).as_ptr().addr();
        for _ in 0..100 {
            let next = joined([&text]).as_ptr().addr();
            assert!((first..first + CHUNK).contains(&next));
        }
    }
}
