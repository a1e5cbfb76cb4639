//! The one argument of a limited handler: the check, then the handler's own arguments.

use super::handle::{RateLimit, RateLimitRejection};
use super::policy::{Admission, Policy, run};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

/// What `#[rate_limit]` makes of a handler's arguments: they are extracted once the check has let
/// the request through.
///
/// Routers make it, so code rarely sees it. A unit test that calls a limited handler by its own
/// name gives the arguments as [`Limited::unlimited`].
pub struct Limited<P, T> {
    admission: Admission,
    arguments: T,
    policy: PhantomData<fn() -> P>,
}

impl<P, T> Limited<P, T> {
    /// The arguments, without any check: for unit tests that call the handler.
    ///
    /// ```
    /// # use axum::{Json, http::StatusCode};
    /// # use limit_runtime::{Limited, rate_limit};
    /// #[rate_limit("10/minute")]
    /// async fn double(Json(n): Json<u32>) -> Json<u32> {
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

    /// What the check left, and the arguments.
    #[doc(hidden)]
    pub fn split(self) -> (Admission, T) {
        (self.admission, self.arguments)
    }

    fn new(admission: Admission, arguments: T) -> Self {
        Self {
            admission,
            arguments,
            policy: PhantomData,
        }
    }
}

impl<P, T> fmt::Debug for Limited<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").finish_non_exhaustive()
    }
}

/// How the last argument of a limited handler is extracted: as it would be without the limit.
#[derive(Debug)]
pub struct Via<M>(PhantomData<fn() -> M>);

#[diagnostic::do_not_recommend]
impl<S, P> FromRequest<S, Via<()>> for Limited<P, ()>
where
    S: Send + Sync,
    P: Policy<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, _) = request.into_parts();
        let admission = run(P::rules(), P::HOW, &mut parts, state).await?;
        Ok(Self::new(admission, ()))
    }
}

/// Whether an argument asks for the handle: only then is one made. Known at compile time.
#[inline]
fn is_handle<T: 'static>() -> bool {
    let argument = TypeId::of::<T>();
    argument == TypeId::of::<RateLimit>()
        || argument == TypeId::of::<Result<RateLimit, RateLimitRejection>>()
}

macro_rules! limited {
    ($($T:ident)* ; $Last:ident) => {
        #[diagnostic::do_not_recommend]
        impl<S, P, M, $($T,)* $Last> FromRequest<S, Via<(M,)>> for Limited<P, ($($T,)* $Last,)>
        where
            S: Send + Sync,
            P: Policy<S>,
            $($T: FromRequestParts<S> + Send + 'static,)*
            $Last: FromRequest<S, M> + Send + 'static,
        {
            type Rejection = Response;

            #[allow(non_snake_case)]
            async fn from_request(
                request: Request,
                state: &S,
            ) -> Result<Self, Response> {
                    let (mut parts, body) = request.into_parts();
                    let mut admission = run(P::rules(), P::HOW, &mut parts, state).await?;
                    if $(is_handle::<$T>() ||)* is_handle::<$Last>() {
                        parts.extensions.insert(admission.handle());
                    } else if admission.is_enclosed() {
                        // The handle of a layer is not this handler's: an extractor must not charge the wrong budget.
                        parts.extensions.remove::<RateLimit>();
                    }
                    $(
                        let argument = $T::from_request_parts(&mut parts, state).await;
                        let $T = match argument.map_err(IntoResponse::into_response) {
                            Ok(argument) => argument,
                            Err(rejection) => return Err(admission.reject(rejection).await),
                        };
                    )*
                    let request = Request::from_parts(parts, body);
                    let argument = $Last::from_request(request, state).await;
                    match argument.map_err(IntoResponse::into_response) {
                        Ok($Last) => Ok(Self::new(admission, ($($T,)* $Last,))),
                        Err(rejection) => Err(admission.reject(rejection).await),
                    }
                }
        }
    };
}

macro_rules! limited_arities {
    ([$($T:ident)*]) => {};
    ([$($T:ident)*] $Last:ident $($More:ident)*) => {
        limited!($($T)*; $Last);
        limited_arities!([$($T)* $Last] $($More)*);
    };
}

limited_arities!([] T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14 T15 T16);

/// Awaits a handler's answer, and adds the headers. The bounds stand here, so that a future that is not
/// `Send`, and an answer that is no response, are errors at the handler.
#[inline]
pub async fn respond<F>(admission: Admission, handler: F) -> Response
where
    F: Future<Output: IntoResponse> + Send,
{
    let response = handler.await.into_response();
    admission.finish(response).await
}
