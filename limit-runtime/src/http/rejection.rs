//! The last step of every response that takes the place of a handler's response.

use super::{
    drain::LateBody,
    grpc,
    refusal::problem,
    setup::{self, WrongSetup},
    standing::Standing,
};
use crate::limiter::Limiter;
use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use http::{HeaderMap, StatusCode, request::Parts};
use std::sync::Arc;

/// Completes the response to a request that does not reach its handler: gives it the form that the
/// client expects, and drains the request's body so that the client gets to see it.
#[cold]
pub(super) fn finish<B>(parts: &Parts, body: B, response: Response) -> Response
where
    B: HttpBody + Send + 'static,
{
    let drain = Limiter::of(parts).drain();
    if drain.is_worthwhile(&parts.headers, &body) {
        drain.spawn(body);
    }
    for_client(&parts.headers, response)
}

/// The response in the form that the client of a request with these headers expects: gRPC clients
/// get a gRPC status.
pub(super) fn for_client(request: &HeaderMap, response: Response) -> Response {
    match grpc::content_type(request) {
        Some(content_type) if !grpc::is_error(&response) => {
            grpc::trailers_only(content_type.clone(), response)
        }
        _ => response,
    }
}

/// The request body for extraction where the charge comes after it. If the request is refused then,
/// what has not been read of the body is drained.
pub(super) fn watch_body(parts: &Parts, body: Body, standing: &Arc<Standing>) -> Body {
    if standing
        .limiter
        .drain()
        .is_worthwhile(&parts.headers, &body)
    {
        LateBody::wrap(body, standing.clone())
    } else {
        body
    }
}

/// Whether a client would take this response for a success, or would not take it for a response.
fn is_mistakable(response: &Response) -> bool {
    let status = response.status();
    (status.is_success() || status.is_informational()) && !grpc::is_error(response)
}

/// The rejection of a key, limits, scope or cost function, or of an extractor of one. A rejection
/// with a success status becomes 500: the client would think that the handler had run.
#[cold]
pub(super) fn with_error_status(rejection: Response) -> Response {
    if !is_mistakable(&rejection) {
        return rejection;
    }
    let status = rejection.status();
    setup::say_once_about(
        WrongSetup::SuccessfulRejection,
        format_args!("status {status}"),
    );
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "rejection_without_error_status",
        "The rate limit of this request could not be determined; the server's log says why",
    )
}

/// The response of `on_limited`. With a success status it becomes 429, and keeps its body.
#[cold]
pub(super) fn with_limited_status(mut response: Response) -> Response {
    if is_mistakable(&response) {
        let status = response.status();
        setup::say_once_about(
            WrongSetup::SuccessfulRefusal,
            format_args!("status {status}"),
        );
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    }
    response
}
