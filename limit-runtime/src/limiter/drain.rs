//! Reads the unread body of a refused request, so that the client reads the response.
//!
//! A server that drops a body while it is being sent resets the HTTP/2 stream or closes the
//! HTTP/1.1 connection. Many clients then report a broken connection and never read the response.

use crate::response::buffer::parse_number;
use axum::body::HttpBody;
use bytes::Buf;
use http::{HeaderMap, header};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

/// Settings of a [`Drain`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainSettings {
    /// Maximum number of bytes to read from a body.
    pub(crate) max_bytes: u64,
    /// Maximum time to read a body.
    pub(crate) max_time: Duration,
    /// Maximum number of bodies that are read at the same time.
    pub(crate) max_bodies: usize,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self {
            max_bytes: 1_000_000,
            max_time: Duration::from_secs(1),
            max_bodies: 256,
        }
    }
}

/// Reads and discards request bodies in background tasks, within its settings.
#[derive(Debug)]
pub(crate) struct Drain {
    max_bytes: u64,
    max_time: Duration,
    /// One permit for each body that is being read.
    permits: Arc<Semaphore>,
}

impl Drain {
    pub(crate) fn new(settings: DrainSettings) -> Self {
        Self {
            max_bytes: settings.max_bytes,
            max_time: settings.max_time,
            permits: Arc::new(Semaphore::new(
                settings.max_bodies.min(Semaphore::MAX_PERMITS),
            )),
        }
    }

    /// Whether to read this body after a refusal.
    ///
    /// The body of a request with `Expect: 100-continue` is not read. The client waits for
    /// permission to send it, and a read would give that permission. On HTTP/1.1, a client that
    /// already has the final response may send its next request instead, which would be read as
    /// the body.
    pub(crate) fn is_worthwhile<B: HttpBody>(&self, headers: &HeaderMap, body: &B) -> bool {
        if body.is_end_stream() {
            return false;
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(parse_number);
        let min_length = body.size_hint().lower().max(length.unwrap_or(0));
        min_length <= self.max_bytes
            && self.max_bytes > 0
            && !self.max_time.is_zero()
            && !headers.contains_key(header::EXPECT)
    }

    /// Reads `body` in a background task. Drops it if too many bodies are being read, or if there
    /// is no Tokio runtime.
    pub(crate) fn spawn<B: HttpBody + Send + 'static>(&self, body: B) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            return;
        };
        let discard = Discard {
            body: Box::pin(body),
            remaining: self.max_bytes,
        };
        let max_time = self.max_time;
        // The task is detached: it ends within `max_time`.
        drop(runtime.spawn(async move {
            // The body is dropped here, whether it has ended or not.
            let _ = timeout(max_time, discard).await;
            drop(permit);
        }));
    }
}

/// Reads a body to its end, but stops after more than `remaining` bytes.
struct Discard<B> {
    body: Pin<Box<B>>,
    remaining: u64,
}

impl<B: HttpBody> Future for Discard<B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(frame)) = ready!(self.body.as_mut().poll_frame(cx)) {
            let read = frame.data_ref().map_or(0, Buf::remaining);
            match self.remaining.checked_sub(read as u64) {
                Some(remaining) => self.remaining = remaining,
                None => break,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderValue;
    use http_body::Frame;
    use http_body_util::{Empty, Full};
    use std::{
        convert::Infallible,
        sync::{
            Weak,
            atomic::{AtomicUsize, Ordering},
        },
    };
    use tokio::{task::yield_now, time::advance};

    const KB: u64 = 1_000;

    /// A body in chunks of 1,000 bytes.
    struct Chunks {
        left: usize,
        /// Whether the body stays open after the last chunk.
        stalls: bool,
        /// The number of chunks that have been read.
        read: Arc<AtomicUsize>,
    }

    /// Returns the body, and the number of chunks that have been read, which exists until the body
    /// is dropped.
    fn chunks(left: usize, stalls: bool) -> (Chunks, Weak<AtomicUsize>) {
        let read = Arc::new(AtomicUsize::new(0));
        let seen = Arc::downgrade(&read);
        let body = Chunks { left, stalls, read };
        (body, seen)
    }

    impl HttpBody for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 {
                return if self.stalls {
                    Poll::Pending
                } else {
                    Poll::Ready(None)
                };
            }
            self.left -= 1;
            self.read.fetch_add(1, Ordering::Relaxed);
            let chunk = Bytes::from_static(&[0; 1_000]);
            Poll::Ready(Some(Ok(Frame::data(chunk))))
        }
    }

    fn drain(max_bytes: u64, max_bodies: usize) -> Drain {
        Drain::new(DrainSettings {
            max_bytes,
            max_bodies,
            ..DrainSettings::default()
        })
    }

    async fn until_idle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_bytes_are_read_than_allowed() {
        let drain = drain(10 * KB, 1);
        for (length, expected) in [(9, 9), (10, 10), (11, 11), (50, 11)] {
            let (body, _) = chunks(length, true);
            let read = body.read.clone();
            drain.spawn(body);
            until_idle().await;
            advance(Duration::from_secs(1)).await;
            until_idle().await;
            assert_eq!(read.load(Ordering::Relaxed), expected);
            assert_eq!(Arc::strong_count(&read), 1, "the body is still held");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_time_is_spent_than_allowed() {
        let drain = drain(10 * KB, 1);
        let (body, held) = chunks(1, true);
        drain.spawn(body);
        until_idle().await;
        advance(Duration::from_millis(999)).await;
        until_idle().await;
        assert!(held.upgrade().is_some());
        advance(Duration::from_millis(1)).await;
        until_idle().await;
        assert!(held.upgrade().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_bodies_are_read_at_once_than_allowed() {
        let drain = drain(10 * KB, 2);
        let (bodies, held): (Vec<_>, Vec<_>) = (0..3).map(|_| chunks(1, true)).unzip();
        bodies.into_iter().for_each(|body| drain.spawn(body));
        let are_held = || {
            let are_held = held.iter().map(|held| held.upgrade().is_some());
            are_held.collect::<Vec<_>>()
        };
        assert_eq!(are_held(), [true, true, false]);
        until_idle().await;
        advance(Duration::from_secs(1)).await;
        until_idle().await;
        assert_eq!(are_held(), [false; 3]);
        let (body, held) = chunks(1, true);
        drain.spawn(body);
        assert!(held.upgrade().is_some(), "the permits are released");
    }

    #[test]
    fn outside_of_a_runtime_the_body_is_dropped() {
        let (body, held) = chunks(1, true);
        drain(10 * KB, 1).spawn(body);
        assert!(held.upgrade().is_none());
    }

    #[test]
    fn bodies_that_cannot_or_must_not_be_read_are_left_alone() {
        let drain = drain(KB, 1);
        let headers = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            headers
        };
        let none = HeaderMap::new();
        let unread = chunks(1, false).0;
        assert!(drain.is_worthwhile(&none, &unread));
        assert!(drain.is_worthwhile(&headers("content-length", "1000"), &unread));
        assert!(!drain.is_worthwhile(&headers("content-length", "1001"), &unread));
        assert!(!drain.is_worthwhile(&headers("expect", "100-continue"), &unread));
        assert!(!drain.is_worthwhile(&headers("expect", "100-Continue"), &unread));
        assert!(!drain.is_worthwhile(&none, &Empty::<Bytes>::new()));
        assert!(drain.is_worthwhile(&none, &Full::new(Bytes::from_static(&[0; 1_000]))));
        assert!(!drain.is_worthwhile(&none, &Full::new(Bytes::from_static(&[0; 1_001]))));
    }

    #[test]
    fn a_bound_of_zero_turns_draining_off() {
        let none = HeaderMap::new();
        let unread = chunks(1, false).0;
        assert!(!drain(0, 1).is_worthwhile(&none, &unread));
        let no_time = DrainSettings {
            max_time: Duration::ZERO,
            ..DrainSettings::default()
        };
        assert!(!Drain::new(no_time).is_worthwhile(&none, &unread));
    }
}
