//! The body of a request that is charged after its arguments have been extracted.

use super::request_limits::RequestLimits;
use axum::body::{Body, Bytes, HttpBody};
use http::request::Parts;
use http_body::{Frame, SizeHint};
use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Wraps the body of a request that is charged after extraction, so that the unread rest is drained
/// if the charge is refused. Bodies that are not worth draining are returned unchanged.
pub(super) fn drain_if_refused(parts: &Parts, body: Body, limits: &Arc<RequestLimits>) -> Body {
    let drain = limits.limiter.drain();
    if drain.is_worthwhile(&parts.headers, &body) {
        LateBody::wrap(body, limits.clone())
    } else {
        body
    }
}

/// A request body that is drained when it is dropped unread and the request has been refused.
///
/// After extraction the body belongs to an argument of the handler. If the charge is then refused,
/// the arguments are dropped and the handler is not called.
struct LateBody {
    body: Body,
    /// Whether the end has been read. Not every body reports that in `is_end_stream`.
    is_read: bool,
    limits: Arc<RequestLimits>,
}

impl LateBody {
    fn wrap(body: Body, limits: Arc<RequestLimits>) -> Body {
        Body::new(Self {
            body,
            is_read: false,
            limits,
        })
    }
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
        if !is_read && self.limits.is_refused() {
            let drain = self.limits.limiter.drain();
            drain.spawn(mem::take(&mut self.body));
        }
    }
}
