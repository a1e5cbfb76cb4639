//! The limits of the request whose arguments are being extracted on this thread, for the `RateLimit`
//! extractor: in whatever extractor of the user's it is, and at next to no cost for handlers without.
//!
//! An admitted request has no shared state: what its check came to is in the future that extracts the
//! arguments. An extractor that wants the state asks for it here and stays pending; the future, which
//! sees that, [makes](poll_extractor) the state and polls the extractor again at once.

use super::{
    admission::Admission,
    request_limits::{EnclosingLimits, RequestLimits},
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

/// Whether the state of a request has been asked for, and the state.
#[derive(Default)]
pub(crate) struct CurrentRequest(Cell<State>);

#[derive(Default)]
enum State {
    /// The check has not been made yet.
    #[default]
    Unchecked,
    /// The check of this limiter is over, and nothing has asked for the state. `None` where no limit
    /// applies.
    Checked(Option<Limiter>),
    /// An extractor is pending until there is the state.
    Asked(Box<Asked>),
    /// The state, which handles share.
    Shared(Arc<RequestLimits>),
}

/// What the head of the request says of the state.
struct Asked {
    limiter: Limiter,
    route: Option<MatchedPath>,
    outer: Option<Arc<RequestLimits>>,
    /// How often it was asked for in vain.
    times: u32,
}

/// So often an extractor asks at most. Executors between it and the request's future poll it again a
/// few times at most, before they give way; one that blocks the thread would never do so.
const MAX_TIMES: u32 = 10_000;

/// The future of the request is not polled until the extractor is ready: it waits for itself.
pub(crate) struct Blocked;

impl CurrentRequest {
    /// Polls with this as the current request of the thread.
    #[inline]
    pub(crate) fn during<T>(&self, poll: impl FnOnce() -> T) -> T {
        CURRENT.set(self, poll)
    }

    /// The admission with the state of the request, if that was asked for: a charge may have changed
    /// what responses say.
    #[inline]
    pub(crate) fn replaced(&self, admission: Admission) -> Admission {
        match self.0.take() {
            State::Shared(request_limits) => Admission::tracked(request_limits),
            _ => admission,
        }
    }
}

/// The check is over: extractors may ask for the state now. By value, so that the future holds the
/// admission no longer than it has to.
#[inline]
pub(crate) fn begin_extraction(admission: Admission) -> Admission {
    if CURRENT.is_set() {
        CURRENT.with(|current| {
            current.0.set(match admission.shared() {
                Some(request_limits) => State::Shared(request_limits.clone()),
                None => State::Checked(admission.limiter().cloned()),
            });
        });
    }
    admission
}

/// Whether the arguments of a limited handler are being extracted on this thread.
pub(crate) fn is_set() -> bool {
    CURRENT.is_set()
}

/// The state of the request whose arguments are being extracted on this thread; `None` if there is
/// no such request, or its check has not been made yet.
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
        State::Asked(asked) if asked.times >= MAX_TIMES => {
            current.0.set(State::Asked(asked));
            Poll::Ready(Err(Blocked))
        }
        State::Asked(mut asked) => {
            asked.times += 1;
            current.0.set(State::Asked(asked));
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        State::Checked(limiter) => {
            let outer = parts.extensions.get::<EnclosingLimits>();
            current.0.set(State::Asked(Box::new(Asked {
                // That of the check, whatever head the extractor was given.
                limiter: limiter.unwrap_or_else(|| Limiter::find(parts).clone()),
                route: parts.extensions.get::<MatchedPath>().cloned(),
                outer: outer.map(|outer| outer.limits().clone()),
                times: 1,
            })));
            // For executors in between, which poll again only what has been woken.
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
}

/// Polls an extractor of a request that has been admitted. If it is pending for the state of the
/// request, that is made, and it is polled again.
#[inline]
pub(crate) fn poll_extractor<F: Future>(
    mut extractor: Pin<&mut F>,
    resolution: &mut Resolution,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    loop {
        let polled = extractor.as_mut().poll(cx);
        if polled.is_ready() || !share_if_asked(resolution) {
            return polled;
        }
    }
}

/// Makes the state of an admitted request if an extractor is pending for it; whether it did.
#[cold]
fn share_if_asked(resolution: &mut Resolution) -> bool {
    if !CURRENT.is_set() {
        return false;
    }
    CURRENT.with(|current| match current.0.take() {
        State::Asked(asked) => {
            let Asked {
                limiter,
                route,
                outer,
                times: _,
            } = *asked;
            let request_limits = RequestLimits::of_admitted(limiter, route, resolution, outer);
            current.0.set(State::Shared(Arc::new(request_limits)));
            true
        }
        state => {
            current.0.set(state);
            false
        }
    })
}

/// The same where the arguments could not be extracted.
#[cold]
pub(crate) fn replaced(admission: Admission) -> Admission {
    if CURRENT.is_set() {
        CURRENT.with(|current| current.replaced(admission))
    } else {
        admission
    }
}
