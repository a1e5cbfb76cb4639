//! What a limited handler does once its check has let the request through: it runs, then its answer gets the headers.

use crate::{
    extract::maybe_ready::{BoxFuture, ready_or_await},
    request::admission::Admission,
};
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A handler's answer, with the headers of its limits. By hand and not as `async fn`: that would be the largest
    /// part of what each handler costs the compiler.
    struct Responding<F> {
        #[pin]
        handler: F,
        admission: Admission,
        later: Option<BoxFuture<Response>>,
    }
}

/// What a handler returns when it is called: a future.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a future, and a handler is an `async fn`, or returns a future: write `async fn`",
    label = "write `async fn`"
)]
pub trait HandlerFuture: Future<Output = Self::Answer> {
    /// What the handler answers.
    type Answer;
}

#[diagnostic::do_not_recommend]
impl<F: Future> HandlerFuture for F {
    type Answer = F::Output;
}

/// Awaits a handler's answer, and adds the headers. The bounds stand here, so that a future that is not
/// `Send`, and an answer that is no response, are errors at the handler. What it returns is opaque, so that these
/// errors are said once.
#[inline]
pub fn respond<F>(admission: Admission, handler: F) -> impl Future<Output = Response> + Send
where
    F: HandlerFuture<Answer: IntoResponse> + Send,
{
    Responding {
        handler,
        admission,
        later: None,
    }
}

/// The same for a handler whose costs depend on its arguments: it is called once they are consumed.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` holds its arguments twice"
)]
pub fn charge_and_respond<F, const N: usize>(
    admission: Admission,
    costs: [Option<u64>; N],
    handler: impl FnOnce() -> F + Send,
) -> impl Future<Output = Response> + Send
where
    F: HandlerFuture<Answer: IntoResponse> + Send,
{
    async move {
        match ready_or_await!(admission.charge(&costs)) {
            Ok(()) => respond(admission, handler()).await,
            Err(refused) => admission.refuse_late(refused),
        }
    }
}

impl<F: Future<Output: IntoResponse>> Future for Responding<F> {
    type Output = Response;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = self.project();
        let later = match this.later {
            Some(later) => later,
            None => {
                let Poll::Ready(answer) = this.handler.poll(cx) else {
                    return Poll::Pending;
                };
                let mut response = answer.into_response();
                match this.admission.finish(&mut response) {
                    None => return Poll::Ready(response),
                    Some(later) => this.later.insert(later),
                }
            }
        };
        later.as_mut().poll(cx)
    }
}
