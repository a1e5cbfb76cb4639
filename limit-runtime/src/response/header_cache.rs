//! Thread-local cache of the constant parts of rate-limit headers and 429 bodies.
//!
//! Responses for one limit differ mostly in numbers. A cached part costs a pointer copy.

use super::{buffer::Text, label::Label};
use bytes::Bytes;
use http::HeaderValue;
use limit_core::Limit;
use std::cell::RefCell;

/// The value of `RateLimit-Policy` for these limits.
pub(super) fn policy_header(limits: impl Iterator<Item = (Label, Limit)>) -> Text {
    let mut text: Text = Text::new();
    for (index, (label, limit)) in limits.enumerate() {
        text.str(if index > 0 { ", " } else { "" }).label(&label);
        text.str(";q=").number(limit.count().get());
        text.str(";w=")
            .number(limit.window_millis().div_ceil(1_000));
    }
    text
}

/// The constant parts of responses for one limit of a policy.
pub(super) struct CachedParts {
    /// The value of `RateLimit-Policy` if the response has no other limit.
    pub(super) policy_header: HeaderValue,
    /// The value of `RateLimit` up to the first number: `"predict";r=`.
    pub(super) rate_limit_prefix: Box<[u8]>,
    /// The body of a 429. `None` until the first is made.
    pub(super) refusal_body: Option<Bytes>,
}

impl CachedParts {
    fn new(label: Label, limit: Limit) -> Option<Self> {
        let mut prefix: Text = Text::new();
        prefix.label(&label).str(";r=");
        let header = policy_header([(label, limit)].into_iter());
        Some(Self {
            // Not in the arena: this value would keep a chunk alive as long as the thread.
            policy_header: HeaderValue::from_bytes(header.as_bytes()).ok()?,
            rate_limit_prefix: prefix.as_bytes().into(),
            refusal_body: None,
        })
    }
}

/// Calls `read` with the constant parts for this limit. Never `None`, because labels are printable
/// ASCII, which is allowed in headers.
#[inline]
pub(super) fn with_cached_parts<T>(
    label: Label,
    limit: Limit,
    read: impl FnOnce(&mut CachedParts) -> T,
) -> Option<T> {
    let mut read = Some(read);
    let mut read_once = |parts: &mut CachedParts| read.take().map(|read| read(parts));
    let in_cache = |cache: &RefCell<[Entry; ENTRIES]>| {
        let mut cache = cache.try_borrow_mut().ok()?;
        let entry = cache.get_mut(index_of(label, limit))?;
        match entry {
            Some((cached_label, cached_limit, parts))
                if cached_label.is(label) && *cached_limit == limit =>
            {
                read_once(parts)
            }
            _ => {
                let (_, _, parts) = entry.insert((label, limit, CachedParts::new(label, limit)?));
                read_once(parts)
            }
        }
    };
    match CACHE.try_with(in_cache) {
        Ok(result @ Some(_)) => result,
        // Thread-local storage is gone while a thread shuts down.
        _ => read_once(&mut CachedParts::new(label, limit)?),
    }
}

/// The cache entry for a limit. The hash spreads names at nearby addresses and the tiers of a
/// policy over the entries.
fn index_of(label: Label, limit: Limit) -> usize {
    let word =
        label.name.as_ptr().addr() as u64 ^ limit.window_millis() << 20 ^ limit.count().get() << 32;
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % ENTRIES
}

/// The number of limits that a thread caches. A limit replaces another with an equal hash.
const ENTRIES: usize = 64;

type Entry = Option<(Label, Limit, CachedParts)>;

thread_local! {
    static CACHE: RefCell<[Entry; ENTRIES]> = const { RefCell::new([const { None }; ENTRIES]) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;

    #[test]
    fn limits_with_equal_hashes_are_never_mixed_up() {
        let name = "predict-and-much-more-of-a-long-name-to-cut-others-from";
        let limits = [limits!("10/minute"), limits!("3/second")].map(|limits| limits.first());
        for round in 0..3 {
            for len in 1..name.len() {
                for (limit, window) in [
                    (limits[0], None),
                    (limits[1], None),
                    (limits[1], Some(limits[1])),
                ] {
                    let label = Label {
                        name: &name[..len],
                        window,
                    };
                    let parts = with_cached_parts(label, limit, |cached| {
                        let refusal = cached
                            .refusal_body
                            .get_or_insert_with(|| label.to_string().into());
                        (cached.policy_header.clone(), refusal.clone())
                    });
                    let expected = policy_header([(label, limit)].into_iter()).value().unwrap();
                    let expected_body = Bytes::from(label.to_string());
                    assert_eq!(parts, Some((expected, expected_body)), "{round} {label}");
                }
            }
        }
    }
}
