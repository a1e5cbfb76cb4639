//! The request whose arguments are being extracted on this thread, for the `RateLimit` extractor.
//!
//! Most handlers have no `RateLimit` argument, so an admitted request has no per-request state: its
//! check left only a [`Resolution`] in the future that extracts the arguments. A `RateLimit`, which
//! may be inside an extractor of the application, asks for the state through a scoped thread-local
//! and returns `Pending`. The future then [creates](poll_extractor) the state and polls the
//! extractor again at once.

use super::{
    admission::Admission, enclosing_limits::EnclosingLimits, request_limits::RequestLimits,
    settling::Tracked,
};
use crate::{limiter::Limiter, policy::resolution::Resolution};
use axum::extract::MatchedPath;
use http::request::Parts;
use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

scoped_tls::scoped_thread_local!(static CURRENT: CurrentRequest);

/// The slot through which an extractor requests and receives the per-request state.
#[derive(Default)]
pub(crate) struct CurrentRequest(Cell<State>);

#[derive(Default)]
enum State {
    /// Before the check.
    #[default]
    Unchecked,
    /// After the check; no extractor has requested the state. With the limiter of a layer, if it
    /// was not the process-wide one that checked the request.
    Checked(Option<Limiter>),
    /// An extractor is pending until the state has been created.
    Pending(Box<PendingState>),
    /// The state exists. The admission has it.
    Shared(Arc<RequestLimits>),
    /// The state has been created for an extractor.
    Created(Tracked),
}

/// What the extractor found in the request's head, for creating the state.
struct PendingState {
    limiter: Limiter,
    route: Option<MatchedPath>,
    outer: Option<Arc<RequestLimits>>,
    /// Number of polls that found no state yet.
    polls: u64,
}

/// How many polls an extractor waits for the state. An executor between the extractor and the
/// request's future polls a few times at most before it yields; one that blocks the thread never
/// yields.
const MAX_POLLS: u64 = 10_000;

/// The extractor blocks the thread, so that the future that creates the state is never polled.
pub(crate) struct Blocked;

impl CurrentRequest {
    /// Runs `poll` with this as the current request of the thread.
    #[inline]
    pub(crate) fn set_during<T>(&self, poll: impl FnOnce() -> T) -> T {
        CURRENT.set(self, poll)
    }

    /// Replaces the admission if an extractor has requested the state: a charge may have changed
    /// the headers.
    #[inline]
    pub(crate) fn update(&self, admission: Admission) -> Admission {
        match self.0.take() {
            State::Created(tracked) => Admission::tracked_by(tracked),
            _ => admission,
        }
    }

    /// [`update`](Self::update) when all arguments have been extracted, and the handler is called.
    #[inline]
    pub(crate) fn end_extraction(&self, admission: Admission) -> Admission {
        let admission = self.update(admission);
        if let Some(request_limits) = admission.request_limits() {
            request_limits.end_extraction();
        }
        admission
    }
}

/// Lets extractors request the state, after the check. Takes and returns the admission by value, so
/// that the future does not store it twice.
#[inline]
pub(crate) fn begin_extraction(admission: Admission, parts: &Parts) -> Admission {
    if CURRENT.is_set() {
        CURRENT.with(|current| {
            current.0.set(match admission.request_limits() {
                Some(request_limits) => {
                    request_limits.begin_extraction();
                    State::Shared(request_limits.clone())
                }
                None => State::Checked(parts.extensions.get::<Limiter>().cloned()),
            });
        });
    }
    admission
}

/// Lets extractors have the state, which exists.
pub(crate) fn share(limits: &Arc<RequestLimits>) {
    limits.begin_extraction();
    if CURRENT.is_set() {
        CURRENT.with(|current| current.0.set(State::Shared(limits.clone())));
    }
}

/// Takes back what [`share`] has set.
pub(crate) fn unshare() {
    if CURRENT.is_set() {
        CURRENT.with(|current| current.0.take());
    }
}

/// Whether the arguments of a limited handler are being extracted on this thread.
pub(crate) fn is_set() -> bool {
    CURRENT.is_set()
}

/// The state of the current request; `None` if no arguments are being extracted on this thread, or
/// if the request has not been checked yet.
pub(crate) fn poll_state(
    parts: &Parts,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Arc<RequestLimits>>, Blocked>> {
    if !CURRENT.is_set() {
        return Poll::Ready(Ok(None));
    }
    CURRENT.with(|current| match current.0.take() {
        State::Unchecked => Poll::Ready(Ok(None)),
        State::Shared(request_limits) => {
            current.0.set(State::Shared(request_limits.clone()));
            Poll::Ready(Ok(Some(request_limits)))
        }
        State::Created(tracked) => {
            let request_limits = tracked.0.clone();
            current.0.set(State::Created(tracked));
            Poll::Ready(Ok(Some(request_limits)))
        }
        State::Pending(pending) if pending.polls >= MAX_POLLS => {
            current.0.set(State::Pending(pending));
            Poll::Ready(Err(Blocked))
        }
        State::Pending(mut pending) => {
            pending.polls += 1;
            current.0.set(State::Pending(pending));
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        State::Checked(limiter) => {
            let outer = parts.extensions.get::<EnclosingLimits>();
            current.0.set(State::Pending(Box::new(PendingState {
                // The limiter of the check, even if the extractor was given another head.
                limiter: limiter.unwrap_or_else(|| Limiter::global().clone()),
                route: parts.extensions.get::<MatchedPath>().cloned(),
                outer: outer.map(|outer| outer.limits().clone()),
                polls: 1,
            })));
            // An executor in between polls again only what has been woken.
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
}

/// Polls an extractor of an admitted request. If it is pending because it has requested the state,
/// creates the state and polls again.
#[inline]
pub(crate) fn poll_extractor<F: Future>(
    mut extractor: Pin<&mut F>,
    resolution: &mut Resolution,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    loop {
        let polled = extractor.as_mut().poll(cx);
        if polled.is_ready() || !create_state_if_pending(resolution) {
            return polled;
        }
    }
}

/// Creates the state if an extractor has requested it. Returns whether it did.
#[cold]
fn create_state_if_pending(resolution: &mut Resolution) -> bool {
    if !CURRENT.is_set() {
        return false;
    }
    CURRENT.with(|current| match current.0.take() {
        State::Pending(pending) => {
            let PendingState {
                limiter,
                route,
                outer,
                polls: _,
            } = *pending;
            let request_limits = RequestLimits::from_admitted(limiter, route, resolution, outer);
            request_limits.begin_extraction();
            current
                .0
                .set(State::Created(Tracked(Arc::new(request_limits))));
            true
        }
        state => {
            current.0.set(state);
            false
        }
    })
}

/// [`CurrentRequest::update`] inside the extraction, when an argument could not be extracted.
#[cold]
pub(crate) fn update(admission: Admission) -> Admission {
    if CURRENT.is_set() {
        CURRENT.with(|current| current.update(admission))
    } else {
        admission
    }
}
