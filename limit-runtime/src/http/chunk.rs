//! Where the values of headers lie: many in one allocation.

use axum::body::Bytes;
use bytes::BytesMut;
use std::cell::RefCell;

/// Room for the values of some dozens of responses. It is given back once all of them are gone, so that a value that
/// somebody keeps holds as much memory as this, and never more.
const ROOM: usize = 1_024;

thread_local! {
    static CHUNK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A copy of `text`, in what this thread has left of a chunk.
pub(super) fn copy(text: &[u8]) -> Bytes {
    let in_chunk = |chunk: &RefCell<BytesMut>| {
        let mut chunk = chunk.try_borrow_mut().ok()?;
        if text.len() > chunk.capacity() {
            chunk.reserve(ROOM);
        }
        chunk.extend_from_slice(text);
        Some(chunk.split().freeze())
    };
    if text.len() > ROOM {
        return Bytes::copy_from_slice(text);
    }
    // A thread that is about to end may have no memory left of its own.
    let copied = CHUNK.try_with(in_chunk).ok().flatten();
    copied.unwrap_or_else(|| Bytes::copy_from_slice(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text_over_many_chunks() {
        let texts: Vec<String> = (0..1_000)
            .map(|number| format!("\"predict\";r={number};t={}", "6".repeat(number % 70)))
            .collect();
        let kept: Vec<Bytes> = texts.iter().map(|text| copy(text.as_bytes())).collect();
        for (text, kept) in texts.iter().zip(&kept) {
            assert_eq!(kept, text);
        }
    }

    #[test]
    fn text_of_any_length_is_copied() {
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, 5 * ROOM, 0, 1] {
            let text = vec![b'a'; length];
            let copies = [copy(&text), copy(&text)];
            assert!(copies.iter().all(|copy| *copy == text));
        }
    }

    #[test]
    fn a_chunk_is_used_again_once_its_values_are_gone() {
        let text = [b'a'; ROOM / 4];
        let first = copy(&[b'b'; ROOM]).as_ptr();
        for _ in 0..100 {
            assert!((first.addr()..first.addr() + ROOM).contains(&copy(&text).as_ptr().addr()));
        }
    }
}
