//! The body of a request that is charged after its arguments have been extracted.

use crate::limiter::Limiter;
use axum::body::{Body, Bytes, HttpBody};
use http::request::Parts;
use http_body::{Frame, SizeHint};
use std::{
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

/// Says whether a request has been refused after its body had been handed to the extraction.
#[derive(Debug, Default)]
pub(crate) struct LateRefusal(Option<Arc<AtomicBool>>);

impl LateRefusal {
    /// The unread rest of the body is drained.
    pub(crate) fn set(&self) {
        if let Some(is_refused) = &self.0 {
            is_refused.store(true, Ordering::Relaxed);
        }
    }
}

/// Wraps the body of a request that is charged after extraction, so that the unread rest is drained
/// if the charge is refused. Bodies that are not worth draining are returned unchanged.
pub(super) fn drain_if_refused(
    parts: &Parts,
    body: Body,
    limiter: &Limiter,
) -> (Body, LateRefusal) {
    if !limiter.drain().is_worthwhile(&parts.headers, &body) {
        return (body, LateRefusal::default());
    }
    let is_refused = Arc::default();
    let body = Body::new(LateBody {
        body,
        is_read: false,
        limiter: limiter.clone(),
        is_refused: Arc::clone(&is_refused),
    });
    (body, LateRefusal(Some(is_refused)))
}

/// A request body that is drained when it is dropped unread and the request has been refused.
///
/// After extraction the body belongs to an argument of the handler. If the charge is then refused,
/// the arguments are dropped and the handler is not called.
struct LateBody {
    body: Body,
    /// Whether the end has been read. Not every body reports that in `is_end_stream`.
    is_read: bool,
    limiter: Limiter,
    is_refused: Arc<AtomicBool>,
}

impl HttpBody for LateBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.is_read = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LateBody {
    fn drop(&mut self) {
        let is_read = self.is_read || self.body.is_end_stream();
        if !is_read && self.is_refused.load(Ordering::Relaxed) {
            let drain = self.limiter.drain();
            drain.spawn(mem::take(&mut self.body));
        }
    }
}
