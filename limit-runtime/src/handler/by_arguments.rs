//! The extraction of a handler's arguments if a rule uses them.
//!
//! Rules that use none are looked at first. Then come the arguments up to the last one that a rule
//! uses, then the check and charge of all rules, then the other arguments: so the body of a refused
//! request is read only if a rule needs it.

use super::limited::{CurrentRequestFuture, Limited, await_extractor};
use crate::extract::maybe_ready::ready_or_await;
use crate::policy::over_arguments::{PolicyOverAllArguments, PolicyOverFirstArguments};
use crate::policy::resolution::Resolution;
use crate::request::{
    admission::Admission,
    by_arguments::{Uses, look},
    current_request,
    early_response::EarlyResponse,
};
use crate::response::grpc;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Context;

/// Arguments that are extracted from the head of a request, as a tuple.
pub trait HeadArguments<S>: Sized {
    /// Extracts them in order.
    ///
    /// # Errors
    /// The response of the first one that fails.
    fn extract(parts: &mut Parts, state: &S)
    -> impl Future<Output = Result<Self, Response>> + Send;
}

/// Arguments of which the last one takes the request, as a tuple.
///
/// `M` is the marker of that argument, which says whether it reads the body.
pub trait RequestArguments<S, M>: Sized {
    /// Extracts them in order.
    ///
    /// # Errors
    /// The response of the first one that fails.
    fn extract(
        parts: Parts,
        body: Body,
        state: &S,
    ) -> impl Future<Output = Result<Self, Response>> + Send;
}

macro_rules! impl_arguments {
    ($($T:ident)* ; $Last:ident) => {
        #[diagnostic::do_not_recommend]
        impl<S, $($T,)* $Last> HeadArguments<S> for ($($T,)* $Last,)
        where
            S: Sync,
            $($T: FromRequestParts<S> + Send,)*
            $Last: FromRequestParts<S> + Send,
        {
            #[allow(non_snake_case)]
            async fn extract(parts: &mut Parts, state: &S) -> Result<Self, Response> {
                let mut resolution = Resolution::default();
                $(
                    let extracting = $T::from_request_parts(parts, state);
                    let $T = await_extractor!(extracting, resolution)
                        .map_err(IntoResponse::into_response)?;
                )*
                let extracting = $Last::from_request_parts(parts, state);
                let $Last = await_extractor!(extracting, resolution)
                    .map_err(IntoResponse::into_response)?;
                Ok(($($T,)* $Last,))
            }
        }

        #[diagnostic::do_not_recommend]
        impl<S, M, $($T,)* $Last> RequestArguments<S, M> for ($($T,)* $Last,)
        where
            S: Sync,
            $($T: FromRequestParts<S> + Send,)*
            $Last: FromRequest<S, M> + Send,
        {
            #[allow(non_snake_case, unused_mut)]
            async fn extract(mut parts: Parts, body: Body, state: &S) -> Result<Self, Response> {
                let mut resolution = Resolution::default();
                $(
                    let extracting = $T::from_request_parts(&mut parts, state);
                    let $T = await_extractor!(extracting, resolution)
                        .map_err(IntoResponse::into_response)?;
                )*
                let extracting = $Last::from_request(Request::from_parts(parts, body), state);
                let $Last = await_extractor!(extracting, resolution)
                    .map_err(IntoResponse::into_response)?;
                Ok(($($T,)* $Last,))
            }
        }
    };
}

macro_rules! impl_arguments_up_to {
    ([$($T:ident)*]) => {};
    ([$($T:ident)*] $Last:ident $($More:ident)*) => {
        impl_arguments!($($T)*; $Last);
        impl_arguments_up_to!([$($T)* $Last] $($More)*);
    };
}

impl_arguments_up_to!([] T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14 T15 T16);

/// Marker type for axum's `FromRequest<S, M>` of a handler with rules over its arguments up to the
/// last one. `M` is as in [`ViaMarker`](super::limited::ViaMarker).
#[derive(Debug)]
pub struct ViaLastArgument<M>(PhantomData<fn() -> M>);

/// As [`ViaLastArgument`], of a handler with rules that do not use the last argument.
#[derive(Debug)]
pub struct ViaFirstArguments<M>(PhantomData<fn() -> M>);

#[diagnostic::do_not_recommend]
impl<S, P, M, L, All> FromRequest<S, ViaLastArgument<(M, L)>> for Limited<P, All>
where
    S: Send + Sync,
    P: PolicyOverAllArguments<S, All, L> + 'static,
    All: RequestArguments<S, M> + Send + 'static,
    L: 'static,
{
    type Rejection = EarlyResponse;

    fn from_request(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, EarlyResponse>> + Send {
        CurrentRequestFuture::<P, _>::new(extract_up_to_the_last::<S, P, M, L, All>(request, state))
    }
}

/// Resolves and charges the rules of a request, once the arguments that rules use are known: `Ok`
/// with the admission, or `Err` with the result of `Looked::reject`, or with a refusal.
///
/// A macro, because the future of a function would hold a reference to the arguments, which need
/// not be `Sync`.
macro_rules! charge {
    ($looked:ident, $rules:ident, $arguments:ident) => {{
        let values = $looked.call(&mut $rules, &$arguments);
        let rejection = ready_or_await!($looked.resolve(values));
        match rejection {
            Some(rejection) => Err($looked.reject(*rejection).await),
            None => match ready_or_await!($looked.consume()) {
                Ok(admission) => {
                    let values = $looked.call_dry_run(&mut $rules, &$arguments);
                    let admission = ready_or_await!($looked.admit(admission, values));
                    Ok(admission)
                }
                Err(refusal) => Err(Err(refusal)),
            },
        }
    }};
}

fn extract_up_to_the_last<S, P, M, L, All>(
    request: Request,
    state: &S,
) -> impl Future<Output = Result<(Admission, All), EarlyResponse>> + Send
where
    S: Sync,
    P: PolicyOverAllArguments<S, All, L>,
    All: RequestArguments<S, M> + Send,
{
    let (mut parts, body) = request.into_parts();
    async move {
        let mut rules = P::rules();
        let looked = ready_or_await!(look(&mut rules, &mut parts, state, Uses::Last));
        let mut looked = match looked {
            Ok(Some(looked)) => looked,
            Ok(None) => {
                let admission = current_request::begin_extraction(Admission::unlimited(), &parts);
                return match All::extract(parts, body, state).await {
                    Ok(arguments) => Ok((admission, arguments)),
                    Err(rejection) => Err(rejection.into()),
                };
            }
            Err(response) => return Err(response.finish(&mut parts, body)),
        };
        let head = looked.head();
        current_request::share(looked.limits());
        let (body, late_refusal) = looked.wrap_body(&parts, body);
        let extracted = All::extract(parts, body, state).await;
        current_request::unshare();
        let arguments = match extracted {
            Ok(arguments) => arguments,
            Err(rejection) => {
                let response = match looked.reject(rejection).await {
                    Ok(response) => response,
                    Err(refusal) => refusal.into_late_response(head.as_deref()),
                };
                return Err(response.into());
            }
        };
        let stopped = match charge!(looked, rules, arguments) {
            Ok(admission) => return Ok((admission, arguments)),
            Err(stopped) => stopped,
        };
        // The rest of the body is drained when the arguments are dropped.
        late_refusal.set();
        let response = match (stopped, head) {
            (Ok(mut response), Some(head)) => {
                grpc::convert_for_client(&head.headers, &mut response);
                response
            }
            (Ok(response), None) => response,
            (Err(refusal), head) => refusal.into_late_response(head.as_deref()),
        };
        Err(response.into())
    }
}

#[diagnostic::do_not_recommend]
impl<S, P, M, L, First, Rest, All> FromRequest<S, ViaFirstArguments<(M, L, First, Rest)>>
    for Limited<P, All>
where
    S: Send + Sync,
    P: PolicyOverFirstArguments<S, First, Rest, All, L> + 'static,
    First: HeadArguments<S> + Send + 'static,
    Rest: RequestArguments<S, M> + Send + 'static,
    L: 'static,
{
    type Rejection = EarlyResponse;

    fn from_request(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, EarlyResponse>> + Send {
        CurrentRequestFuture::<P, _>::new(extract_first_then_rest::<S, P, M, L, First, Rest, All>(
            request, state,
        ))
    }
}

fn extract_first_then_rest<S, P, M, L, First, Rest, All>(
    request: Request,
    state: &S,
) -> impl Future<Output = Result<(Admission, All), EarlyResponse>> + Send
where
    S: Sync,
    P: PolicyOverFirstArguments<S, First, Rest, All, L>,
    First: HeadArguments<S> + Send,
    Rest: RequestArguments<S, M> + Send,
{
    let (mut parts, body) = request.into_parts();
    async move {
        let mut rules = P::rules();
        let looked = ready_or_await!(look(&mut rules, &mut parts, state, Uses::Head));
        let (admission, first) = match looked {
            Err(response) => return Err(response.finish(&mut parts, body)),
            Ok(None) => {
                let admission = current_request::begin_extraction(Admission::unlimited(), &parts);
                match First::extract(&mut parts, state).await {
                    Ok(first) => (admission, first),
                    Err(rejection) => return Err(rejection.into()),
                }
            }
            Ok(Some(mut looked)) => {
                current_request::share(looked.limits());
                let extracted = First::extract(&mut parts, state).await;
                current_request::unshare();
                let stopped = match extracted {
                    Ok(first) => match charge!(looked, rules, first) {
                        Ok(admission) => Ok((admission, first)),
                        Err(stopped) => Err(stopped),
                    },
                    Err(rejection) => Err(looked.reject(rejection).await),
                };
                match stopped {
                    Ok(admitted) => admitted,
                    Err(stopped) => {
                        let response = match stopped {
                            Ok(response) => response,
                            Err(refusal) => refusal.into_response(&parts),
                        };
                        return Err(EarlyResponse::from(response).finish(&mut parts, body));
                    }
                }
            }
        };
        let admission = current_request::begin_extraction(admission, &parts);
        match Rest::extract(parts, body, state).await {
            Ok(rest) => Ok((admission, P::join(first, rest))),
            Err(rejection) => {
                let admission = current_request::update(admission);
                Err(ready_or_await!(admission.complete(rejection)).into())
            }
        }
    }
}
