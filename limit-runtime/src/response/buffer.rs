//! Buffers for header values and bodies: text on the stack, and a thread-local byte arena.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use limit_core::header_text::WriteText;
use std::{cell::RefCell, fmt};

/// The size of an arena chunk in bytes: room for the values of dozens of responses. A chunk is
/// freed or reused once all its values are dropped, so one value keeps at most this much memory.
const CHUNK: usize = 1_024;

thread_local! {
    static CURRENT_CHUNK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Concatenates `parts` in the current chunk of this thread. Longer results get their own
/// allocation.
#[inline(always)]
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
    // Thread-local storage is gone while a thread shuts down.
    let joined = CURRENT_CHUNK.try_with(in_chunk).ok().flatten();
    joined.unwrap_or_else(|| parts.concat().into())
}

/// Bytes on the stack: more than nearly all header values of this crate need.
const INLINE: usize = 128;

/// A text builder for headers and bodies. Up to `N` bytes are on the stack; longer texts move to
/// the heap.
pub(crate) struct Text<const N: usize = INLINE> {
    inline: [u8; N],
    len: usize,
    /// The whole text if it is longer than `N` bytes, else empty.
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

    /// Appends text.
    #[inline]
    pub(crate) fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Appends bytes.
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

    /// The bytes written so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        if self.spilled.is_empty() {
            self.inline.get(..self.len).unwrap_or_default()
        } else {
            &self.spilled
        }
    }

    /// The text as a header value. `None` if a byte is not allowed in headers; this crate writes no
    /// such byte.
    pub(crate) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(joined([self.as_bytes()])).ok()
    }
}

/// A number as a header value. Unlike `HeaderValue::from`, it allocates nothing while the chunk
/// has room.
pub(crate) fn number(number: u64) -> HeaderValue {
    let [value] = numbers([number]);
    value
}

/// [`number`] for several numbers, which share their place.
#[inline]
pub(crate) fn numbers<const N: usize>(numbers: [u64; N]) -> [HeaderValue; N] {
    let mut buffers = [itoa::Buffer::new(); N];
    let mut digits = [b"".as_slice(); N];
    for ((digits, buffer), number) in digits.iter_mut().zip(&mut buffers).zip(numbers) {
        *digits = buffer.format(number).as_bytes();
    }
    let mut joined = joined(digits);
    let mut digits = digits.into_iter();
    numbers.map(|number| {
        let length = digits.next().map_or(0, <[u8]>::len);
        let digits = joined.split_to(length.min(joined.len()));
        HeaderValue::from_maybe_shared(digits).unwrap_or_else(|_| number.into())
    })
}

/// Parses a header value as a whole number.
pub(crate) fn parse_number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

impl<const N: usize> WriteText for Text<N> {
    #[inline]
    fn write_number(&mut self, number: u64) -> fmt::Result {
        self.number(number);
        Ok(())
    }
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
    fn numbers_are_written_in_decimal_digits() {
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
    fn a_chunk_is_reused_once_its_values_are_dropped() {
        let text = [b'a'; CHUNK / 4];
        let first = joined([&[b'b'; CHUNK]]).as_ptr().addr();
        for _ in 0..100 {
            let next = joined([&text]).as_ptr().addr();
            assert!((first..first + CHUNK).contains(&next));
        }
    }
}
