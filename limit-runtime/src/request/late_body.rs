//! The request body while a handler's arguments are extracted and the charge is still to come.

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

/// The request body for extraction if the charge comes after it. If the request is refused then, what
/// has not been read of the body is drained.
pub(super) fn watch_body(parts: &Parts, body: Body, limits: &Arc<RequestLimits>) -> Body {
    let drain = limits.limiter.drain();
    if drain.is_worthwhile(&parts.headers, &body) {
        LateBody::wrap(body, limits.clone())
    } else {
        body
    }
}

/// The body of a request whose charge waits for the arguments of its handler. If the request is
/// refused then, the handler is not called and drops the body as an argument; it is drained instead.
struct LateBody {
    body: Body,
    /// Whether it has been read to its end, which a body may not know of itself.
    is_read: bool,
    standing: Arc<RequestLimits>,
}

impl LateBody {
    fn wrap(body: Body, standing: Arc<RequestLimits>) -> Body {
        Body::new(Self {
            body,
            is_read: false,
            standing,
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
        if !is_read && self.standing.is_refused() {
            let drain = self.standing.limiter.drain();
            drain.spawn(mem::take(&mut self.body));
        }
    }
}
