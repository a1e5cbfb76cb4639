//! The body of a response that holds permits until it has ended.

use super::hold::Hold;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{runtime::Handle, task::AbortHandle};

/// Makes the body hold permits: until its end or an error, or until it is dropped. A body that has
/// ended already, as that of a response to an upgrade, does not hold them at all.
pub(super) fn hold_until_end(body: Body, hold: Arc<Hold>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    match (hold.hold_at_most(), Handle::try_current()) {
        (Some(time), Ok(runtime)) => Body::new(BoundedBody::new(body, hold, time, &runtime)),
        _ => Body::new(PermitBody {
            body,
            hold: Some(hold),
        }),
    }
}

/// A body that holds permits without a bound in time.
struct PermitBody {
    body: Body,
    /// `None` after the end.
    hold: Option<Arc<Hold>>,
}

impl HttpBody for PermitBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // A server need not poll again after the last frame.
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.hold = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that holds permits for at most some time. A task ends it then: a server does not poll the
/// body of a client that reads nothing.
struct BoundedBody {
    state: Arc<Mutex<State>>,
    timer: AbortHandle,
}

enum State {
    Open {
        body: Body,
        hold: Arc<Hold>,
        /// Of the last poll that found no frame.
        waker: Option<Waker>,
    },
    /// The end has been read, or an error.
    Ended,
    /// The time is over. The error has not been read yet.
    Expired(Duration),
}

impl BoundedBody {
    fn new(body: Body, hold: Arc<Hold>, time: Duration, runtime: &Handle) -> Self {
        let state = Arc::new(Mutex::new(State::Open {
            body,
            hold,
            waker: None,
        }));
        let expiring = Arc::downgrade(&state);
        let timer = runtime.spawn(async move {
            tokio::time::sleep(time).await;
            let Some(state) = expiring.upgrade() else {
                return;
            };
            let mut state = state.lock();
            if !matches!(*state, State::Open { .. }) {
                return;
            }
            let expired = std::mem::replace(&mut *state, State::Expired(time));
            drop(state);
            if let State::Open { body, hold, waker } = expired {
                // First the work, then the permit.
                drop(body);
                drop(hold);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        });
        Self {
            state,
            timer: timer.abort_handle(),
        }
    }
}

impl HttpBody for BoundedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Open { body, waker, .. } => {
                let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                    *waker = Some(cx.waker().clone());
                    return Poll::Pending;
                };
                if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
                    let ended = std::mem::replace(&mut *state, State::Ended);
                    drop(state);
                    self.timer.abort();
                    drop(ended);
                }
                Poll::Ready(frame)
            }
            State::Ended => Poll::Ready(None),
            State::Expired(time) => {
                let error = axum::Error::new(HeldTooLong(*time));
                *state = State::Ended;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &*self.state.lock() {
            State::Open { body, .. } => body.is_end_stream(),
            State::Ended => true,
            State::Expired(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*self.state.lock() {
            State::Open { body, .. } => body.size_hint(),
            State::Ended => SizeHint::with_exact(0),
            State::Expired(_) => SizeHint::default(),
        }
    }
}

impl Drop for BoundedBody {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

/// The error that ends the body of a response after `hold_at_most`.
#[derive(Debug)]
struct HeldTooLong(Duration);

impl fmt::Display for HeldTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the response has held its permit for {:?}, which is its `hold_at_most`, and is ended",
            self.0
        )
    }
}

impl std::error::Error for HeldTooLong {}
