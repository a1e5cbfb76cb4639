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

/// These one after the other, in what this thread has left of a chunk.
pub(super) fn joined<const N: usize>(parts: [&[u8]; N]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > ROOM {
        return parts.concat().into();
    }
    let in_chunk = |chunk: &RefCell<BytesMut>| {
        let mut chunk = chunk.try_borrow_mut().ok()?;
        if length > chunk.capacity() {
            chunk.reserve(ROOM);
        }
        for part in parts {
            chunk.extend_from_slice(part);
        }
        Some(chunk.split().freeze())
    };
    // A thread that is about to end may have no memory left of its own.
    let joined = CHUNK.try_with(in_chunk).ok().flatten();
    joined.unwrap_or_else(|| parts.concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for length in [0, 1, ROOM - 1, ROOM, ROOM + 1, 5 * ROOM, 0, 1] {
            let text = vec![b'a'; length];
            let copies = [joined([&text]), joined([&text, &[]])];
            assert!(copies.iter().all(|copy| *copy == text));
        }
    }

    #[test]
    fn a_chunk_is_used_again_once_its_values_are_gone() {
        let text = [b'a'; ROOM / 4];
        let first = joined([&[b'b'; ROOM]]).as_ptr().addr();
        for _ in 0..100 {
            let next = joined([&text]).as_ptr().addr();
            assert!((first..first + ROOM).contains(&next));
        }
    }
}
