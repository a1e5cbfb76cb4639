//! The last step of every response that takes the place of a handler's response.

use crate::{limiter::Limiter, response::grpc};
use axum::{body::HttpBody, response::Response};
use http::request::Parts;

/// Completes the response to a request that does not reach its handler: gives it the form that the
/// client expects, and drains the request's body so that the client reads the response.
#[cold]
pub(crate) fn finish<B>(parts: &Parts, body: B, response: Response) -> Response
where
    B: HttpBody + Send + 'static,
{
    let drain = Limiter::of(parts).drain();
    if drain.is_worthwhile(&parts.headers, &body) {
        drain.spawn(body);
    }
    grpc::for_client(&parts.headers, response)
}
