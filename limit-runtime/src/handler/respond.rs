//! Calls the handler of an admitted request, and adds rate-limit headers to its response.

use crate::request::admission::Admission;
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// Future of a handler's response with rate-limit headers.
    ///
    /// Written by hand: an `async fn` would be the largest part of each handler's compile time.
    struct RespondFuture<F> {
        #[pin]
        handler: F,
        admission: Admission,
    }
}

/// The future that a handler returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a future, and a handler is an `async fn`, or returns a future: write `async fn`",
    label = "write `async fn`"
)]
pub trait HandlerFuture: Future<Output = Self::Answer> {
    /// The value that the handler returns, before it becomes a response.
    type Answer;
}

#[diagnostic::do_not_recommend]
impl<F: Future> HandlerFuture for F {
    type Answer = F::Output;
}

/// Awaits a handler, and adds rate-limit headers to its response.
///
/// The bounds are on this function, so that the compiler reports a future that is not `Send` and a
/// value that is no response at the handler. The return type is opaque, so that each error is
/// reported once.
#[inline]
pub fn respond<F>(admission: Admission, handler: F) -> impl Future<Output = Response> + Send
where
    F: HandlerFuture<Answer: IntoResponse> + Send,
{
    RespondFuture { handler, admission }
}

impl<F: Future<Output: IntoResponse>> Future for RespondFuture<F> {
    type Output = Response;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = self.project();
        if let Some(refunded) = this.admission.poll_refund(cx) {
            return refunded;
        }
        let Poll::Ready(answer) = this.handler.poll(cx) else {
            return Poll::Pending;
        };
        let mut response = answer.into_response();
        if this.admission.finish(&mut response) {
            return Poll::Ready(response);
        }
        let refunded = this.admission.poll_refund(cx);
        refunded.unwrap_or(Poll::Ready(response))
    }
}
