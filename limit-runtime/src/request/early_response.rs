//! The last step of every response that is sent instead of calling the handler.

use crate::{limiter::Limiter, response::grpc};
use axum::{body::HttpBody, response::Response};
use http::request::Parts;

/// Completes a response that is sent instead of calling the handler.
///
/// Converts it for gRPC clients, and drains the request's body, since many clients read no response
/// before they have sent the whole body.
#[cold]
pub(crate) fn finish_early_response<B>(parts: &Parts, body: B, response: Response) -> Response
where
    B: HttpBody + Send + 'static,
{
    let drain = Limiter::of(parts).drain();
    if drain.is_worthwhile(&parts.headers, &body) {
        drain.spawn(body);
    }
    grpc::for_client(&parts.headers, response)
}
