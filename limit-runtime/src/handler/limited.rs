//! The single argument of a limited handler: its extraction checks the request, then extracts the
//! handler's own arguments.

use crate::policy::{
    charge_timing::ChargeTiming,
    resolution::Resolution,
    rule::{Policy, Rules},
};
use crate::request::{
    admission::Admission,
    check::resolve_and_check,
    current_request::{self, CurrentRequest},
    early_response::finish_early_response,
};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

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

pin_project! {
    /// Future of [`Limited`] for a handler without arguments.
    ///
    /// The policy is only in this outer type, so that handlers with rules and arguments of the same
    /// types share the code of the inner future.
    struct LimitedFuture<P, F> {
        #[pin]
        extracting: F,
        policy: PhantomData<fn() -> P>,
    }
}

impl<P, F> LimitedFuture<P, F> {
    #[inline]
    fn new(extracting: F) -> Self {
        let policy = PhantomData;
        Self { extracting, policy }
    }
}

impl<P, T, F> Future for LimitedFuture<P, F>
where
    F: Future<Output = Result<(Admission, T), Response>>,
{
    type Output = Result<Limited<P, T>, Response>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let extracted = self.project().extracting.poll(cx);
        extracted.map_ok(|(admission, arguments)| Limited {
            admission,
            arguments,
            policy: PhantomData,
        })
    }
}

pin_project! {
    /// Future of [`Limited`] for a handler with arguments, which may include a `RateLimit`.
    struct CurrentRequestFuture<P, F> {
        #[pin]
        extracting: F,
        request: CurrentRequest,
        policy: PhantomData<fn() -> P>,
    }
}

impl<P, F> CurrentRequestFuture<P, F> {
    #[inline]
    fn new(extracting: F) -> Self {
        Self {
            extracting,
            request: CurrentRequest::default(),
            policy: PhantomData,
        }
    }
}

impl<P, T, F> Future for CurrentRequestFuture<P, F>
where
    F: Future<Output = Result<(Admission, T), Response>>,
{
    type Output = Result<Limited<P, T>, Response>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let extracted = this.request.set_during(|| this.extracting.poll(cx));
        extracted.map_ok(|(admission, arguments)| Limited {
            admission: this.request.update(admission),
            arguments,
            policy: PhantomData,
        })
    }
}

/// Extracts the arguments of a handler.
///
/// `extract` is a function with an async block: the future of an `async fn` stores the request a
/// second time.
struct Arguments<T>(PhantomData<T>);

impl Arguments<()> {
    fn extract<S: Sync, R: Rules<S>>(
        mut rules: R,
        timing: ChargeTiming,
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<(Admission, ()), Response>> + Send {
        let (mut parts, body) = request.into_parts();
        async move {
            let mut resolution = Resolution::default();
            match resolve_and_check!(R, rules, resolution, timing, parts, state) {
                Ok(admission) => Ok((admission, ())),
                Err(response) => Err(finish_early_response(&parts, body, response)),
            }
        }
    }
}

#[diagnostic::do_not_recommend]
impl<S, P> FromRequest<S, ViaMarker<()>> for Limited<P, ()>
where
    S: Send + Sync,
    P: Policy<S>,
{
    type Rejection = Response;

    fn from_request(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Response>> + Send {
        LimitedFuture::<P, _>::new(Arguments::<()>::extract(
            P::rules(),
            P::CHARGE_TIMING,
            request,
            state,
        ))
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

macro_rules! impl_limited {
    ($($T:ident)* ; $Last:ident) => {
        impl<$($T,)* $Last> Arguments<($($T,)* $Last,)> {
            #[allow(non_snake_case)]
            fn extract<S, M, R>(
                mut rules: R,
                timing: ChargeTiming,
                request: Request,
                state: &S,
            ) -> impl Future<Output = Result<(Admission, ($($T,)* $Last,)), Response>> + Send
            where
                S: Sync,
                R: Rules<S>,
                $($T: FromRequestParts<S> + Send + 'static,)*
                $Last: FromRequest<S, M> + Send + 'static,
            {
                let (mut parts, body) = request.into_parts();
                async move {
                    let mut resolution = Resolution::default();
                    let admission = match resolve_and_check!(R, rules, resolution, timing, parts, state) {
                        Ok(admission) => admission,
                        Err(response) => {
                            return Err(finish_early_response(&parts, body, response));
                        }
                    };
                    let admission = current_request::begin_extraction(admission);
                    let (admission, rejection) = 'rejected: {
                        $(
                            let extracting = $T::from_request_parts(&mut parts, state);
                            let $T = match await_extractor!(extracting, resolution) {
                                Ok(argument) => argument,
                                Err(rejection) => break 'rejected (admission, rejection.into_response()),
                            };
                        )*
                        let (admission, body) = admission.wrap_body(timing, &parts, body);
                        let request = Request::from_parts(parts, body);
                        let extracting = $Last::from_request(request, state);
                        match await_extractor!(extracting, resolution) {
                            Ok($Last) => return Ok((admission, ($($T,)* $Last,))),
                            Err(rejection) => break 'rejected (admission, rejection.into_response()),
                        }
                    };
                    let admission = current_request::update(admission);
                    Err(admission.reject(rejection, timing).await)
                }
            }
        }

        #[diagnostic::do_not_recommend]
        impl<S, P, M, L, $($T,)* $Last> FromRequest<S, ViaMarker<(M, L)>> for Limited<P, ($($T,)* $Last,)>
        where
            S: Send + Sync,
            P: Policy<S, L>,
            $($T: FromRequestParts<S> + Send + 'static,)*
            $Last: FromRequest<S, M> + Send + 'static,
        {
            type Rejection = Response;

            fn from_request(
                request: Request,
                state: &S,
            ) -> impl Future<Output = Result<Self, Response>> + Send {
                let extracting = Arguments::<($($T,)* $Last,)>::extract(P::rules(), P::CHARGE_TIMING, request, state);
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
