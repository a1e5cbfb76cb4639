//! The single argument of a limited handler: its extraction checks the request, then extracts the
//! handler's own arguments.

use crate::extract::maybe_ready::{BoxFuture, ready_or_await};
use crate::policy::{
    resolution::Resolution,
    rule::{Policy, Rules, Single},
};
use crate::request::{
    admission::Admission,
    check::{
        CheckedSingle, Stop, check_resolved, complete_check, resolve_and_check,
        resolve_and_check_now, resolve_and_check_single,
    },
    current_request::{self, CurrentRequest},
    early_response::EarlyResponse,
};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::IntoResponse;
use http::request::Parts;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// Extractor that `#[rate_limit]` puts in place of a handler's arguments: it checks the request,
/// then extracts the arguments.
///
/// `P` is the policy of the handler, `T` the tuple of its arguments. Only a unit test that calls a
/// limited handler creates one, with [`Limited::unlimited`].
pub struct Limited<P, T> {
    admission: Admission,
    arguments: T,
    policy: PhantomData<fn() -> P>,
}

impl<P, T> Limited<P, T> {
    /// Wraps arguments without a check, for unit tests that call the handler.
    ///
    /// ```
    /// # use axum::{Json, http::StatusCode};
    /// # use limit_runtime::{Limited, rate_limit};
    /// #[rate_limit("10/minute")]
    /// async fn double(Json(n): Json<u64>) -> Json<u64> {
    ///     Json(2 * n)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let response = double(Limited::unlimited((Json(21),))).await;
    /// assert_eq!(response.status(), StatusCode::OK);
    /// # }
    /// ```
    #[must_use]
    pub fn unlimited(arguments: T) -> Self {
        Self {
            admission: Admission::unlimited(),
            arguments,
            policy: PhantomData,
        }
    }

    /// Splits into the admission, which adds the headers to the response, and the arguments.
    #[doc(hidden)]
    pub fn split(self) -> (Admission, T) {
        (self.admission, self.arguments)
    }
}

impl<P, T> fmt::Debug for Limited<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").finish_non_exhaustive()
    }
}

/// Marker type for axum's `FromRequest<S, M>` of a limited handler. `M` has the marker of the last
/// argument, which says whether it consumes the body, and what the policy may use of that argument.
#[derive(Debug)]
pub struct ViaMarker<M>(PhantomData<fn() -> M>);

/// Future of [`Limited`] for a handler without arguments.
///
/// The policy is only in this outer type, so that handlers with rules of the same types share the
/// code of the check.
struct LimitedFuture<'a, P> {
    checked: Checked<'a>,
    policy: PhantomData<fn() -> P>,
}

/// The result of a check, which is usually ready.
enum Checked<'a> {
    Admitted(Admission),
    /// `None` once it has been taken.
    Refused(Option<EarlyResponse>),
    Pending(Pin<Box<dyn Future<Output = Result<Admission, EarlyResponse>> + Send + 'a>>),
}

impl<P> Future for LimitedFuture<'_, P> {
    type Output = Result<Limited<P, ()>, EarlyResponse>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let checked = match &mut self.checked {
            Checked::Admitted(admission) => Ok(mem::take(admission)),
            Checked::Refused(response) => match response.take() {
                Some(response) => Err(response),
                None => return Poll::Pending,
            },
            Checked::Pending(pending) => ready!(pending.as_mut().poll(cx)),
        };
        Poll::Ready(checked.map(|admission| Limited {
            admission,
            arguments: (),
            policy: PhantomData,
        }))
    }
}

pin_project! {
    /// Future of [`Limited`] for a handler with arguments, which may include a `RateLimit`.
    pub(super) struct CurrentRequestFuture<P, F> {
        #[pin]
        extracting: F,
        request: CurrentRequest,
        policy: PhantomData<fn() -> P>,
    }
}

impl<P, F> CurrentRequestFuture<P, F> {
    #[inline]
    pub(super) fn new(extracting: F) -> Self {
        Self {
            extracting,
            request: CurrentRequest::default(),
            policy: PhantomData,
        }
    }
}

impl<P, T, F> Future for CurrentRequestFuture<P, F>
where
    F: Future<Output = Result<(Admission, T), EarlyResponse>>,
{
    type Output = Result<Limited<P, T>, EarlyResponse>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let extracted = this.request.set_during(|| this.extracting.poll(cx));
        extracted.map_ok(|(admission, arguments)| Limited {
            admission: this.request.end_extraction(admission),
            arguments,
            policy: PhantomData,
        })
    }
}

/// Checks a request to a handler without arguments.
///
/// Rules that are ready are checked at once, not when a future is polled, so that no future has to
/// keep the request.
fn check<'a, S: Sync, R: Rules<S> + 'a>(
    rules: R,
    mut parts: Parts,
    body: Body,
    state: &'a S,
) -> Checked<'a> {
    if rules.may_dry_run() || !(R::ARE_ALWAYS_READY || rules.are_ready(&parts)) {
        return Checked::Pending(Box::pin(async move {
            let mut resolution = Resolution::default();
            let checked = resolve_and_check(rules, &mut parts, state, &mut resolution);
            match checked.await {
                Ok(admission) => Ok(admission),
                Err(stop) => complete(stop, parts, body, resolution).await,
            }
        }));
    }
    if R::COUNT > 1 {
        let mut resolution = Resolution::default();
        let checked = resolve_and_check_now(rules, &mut parts, &mut resolution);
        return complete_early(checked, parts, body, resolution);
    }
    match resolve_and_check_single(rules, &parts) {
        Single::Exempt(_) => Checked::Admitted(Admission::unlimited()),
        Single::Checked(CheckedSingle::Admitted(admission, _)) => Checked::Admitted(admission),
        Single::Checked(CheckedSingle::Refused(response)) => {
            Checked::Refused(Some(response.finish(&mut parts, body)))
        }
        Single::Unchecked(mut resolution) => {
            let checked = check_resolved(&mut parts, &mut resolution);
            complete_early(checked, parts, body, *resolution)
        }
    }
}

/// Completes a check as far as possible without awaiting anything.
fn complete_early<'a>(
    checked: Result<Admission, Stop>,
    mut parts: Parts,
    body: Body,
    resolution: Resolution,
) -> Checked<'a> {
    match checked {
        Ok(admission) => Checked::Admitted(admission),
        Err(Stop::Refused(response)) => Checked::Refused(Some(response.finish(&mut parts, body))),
        Err(stop) => Checked::Pending(complete(stop, parts, body, resolution)),
    }
}

/// Completes a check that has stopped.
#[cold]
fn complete(
    stop: Stop,
    mut parts: Parts,
    body: Body,
    mut resolution: Resolution,
) -> BoxFuture<Result<Admission, EarlyResponse>> {
    Box::pin(async move {
        let completed = complete_check!(stop, parts, resolution);
        completed.map_err(|response| response.finish(&mut parts, body))
    })
}

/// Extracts the arguments of a handler.
///
/// `extract` is a function with an async block: the future of an `async fn` stores the request a
/// second time.
struct Arguments<T>(PhantomData<T>);

#[diagnostic::do_not_recommend]
impl<S, P> FromRequest<S, ViaMarker<()>> for Limited<P, ()>
where
    S: Send + Sync,
    P: Policy<S> + 'static,
{
    type Rejection = EarlyResponse;

    fn from_request(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, EarlyResponse>> + Send {
        let (parts, body) = request.into_parts();
        LimitedFuture::<P> {
            checked: check(P::rules(), parts, body, state),
            policy: PhantomData,
        }
    }
}

/// Awaits an extractor, which may be or contain a `RateLimit`.
macro_rules! await_extractor {
    ($extracting:ident, $resolution:ident) => {{
        let mut extracting = pin!($extracting);
        let poll = |cx: &mut Context<'_>| {
            current_request::poll_extractor(extracting.as_mut(), &mut $resolution, cx)
        };
        poll_fn(poll).await
    }};
}
pub(super) use await_extractor;

macro_rules! impl_limited {
    ($($T:ident)* ; $Last:ident) => {
        impl<$($T,)* $Last> Arguments<($($T,)* $Last,)> {
            #[allow(non_snake_case)]
            fn extract<'a, S, M, R>(
                rules: R,
                request: Request,
                state: &'a S,
            ) -> impl Future<Output = Result<(Admission, ($($T,)* $Last,)), EarlyResponse>> + Send
            where
                S: Sync,
                R: Rules<S> + 'a,
                $($T: FromRequestParts<S> + Send + 'static,)*
                $Last: FromRequest<S, M> + Send + 'static,
            {
                let (mut parts, body) = request.into_parts();
                async move {
                    let mut resolution = Resolution::default();
                    let is_ready = R::ARE_ALWAYS_READY || rules.are_ready(&parts);
                    let checked = if is_ready && !rules.may_dry_run() {
                        resolve_and_check_now(rules, &mut parts, &mut resolution)
                    } else {
                        let (parts, resolution) = (&mut parts, &mut resolution);
                        resolve_and_check(rules, parts, state, resolution).await
                    };
                    let checked = match checked {
                        Ok(admission) => Ok(admission),
                        Err(stop) => complete_check!(stop, parts, resolution),
                    };
                    let admission = match checked {
                        Ok(admission) => admission,
                        Err(response) => {
                            return Err(response.finish(&mut parts, body));
                        }
                    };
                    let admission = current_request::begin_extraction(admission, &parts);
                    let (admission, rejection) = 'rejected: {
                        $(
                            let extracting = $T::from_request_parts(&mut parts, state);
                            let $T = match await_extractor!(extracting, resolution) {
                                Ok(argument) => argument,
                                Err(rejection) => break 'rejected (admission, rejection.into_response()),
                            };
                        )*
                        let request = Request::from_parts(parts, body);
                        let extracting = $Last::from_request(request, state);
                        match await_extractor!(extracting, resolution) {
                            Ok($Last) => return Ok((admission, ($($T,)* $Last,))),
                            Err(rejection) => break 'rejected (admission, rejection.into_response()),
                        }
                    };
                    let admission = current_request::update(admission);
                    Err(ready_or_await!(admission.complete(rejection)).into())
                }
            }
        }

        #[diagnostic::do_not_recommend]
        impl<S, P, M, L, $($T,)* $Last> FromRequest<S, ViaMarker<(M, L)>> for Limited<P, ($($T,)* $Last,)>
        where
            S: Send + Sync,
            P: Policy<S, L> + 'static,
            L: 'static,
            $($T: FromRequestParts<S> + Send + 'static,)*
            $Last: FromRequest<S, M> + Send + 'static,
        {
            type Rejection = EarlyResponse;

            fn from_request(
                request: Request,
                state: &S,
            ) -> impl Future<Output = Result<Self, EarlyResponse>> + Send {
                let extracting = Arguments::<($($T,)* $Last,)>::extract(P::rules(), request, state);
                CurrentRequestFuture::<P, _>::new(extracting)
            }
        }
    };
}

macro_rules! impl_limited_up_to {
    ([$($T:ident)*]) => {};
    ([$($T:ident)*] $Last:ident $($More:ident)*) => {
        impl_limited!($($T)*; $Last);
        impl_limited_up_to!([$($T)* $Last] $($More)*);
    };
}

impl_limited_up_to!([] T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14 T15 T16);
