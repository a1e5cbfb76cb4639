//! Ensures that a response which replaces the handler's response has an error status.

use super::{grpc, problem::problem};
use crate::diagnostics::{self, Misconfiguration};
use axum::response::Response;
use http::StatusCode;

/// Whether a client would take this response for the success of the handler.
fn is_success_for_client(response: &Response) -> bool {
    let status = response.status();
    (status.is_success() || status.is_informational()) && !grpc::is_error(response)
}

/// Passes on the rejection of a key, limits, scope or cost function, or of one of its extractors.
///
/// A rejection with a success status becomes 500, because a client would assume that the handler
/// has run.
#[cold]
pub(crate) fn with_error_status(rejection: Response) -> Response {
    if !is_success_for_client(&rejection) {
        return rejection;
    }
    let status = rejection.status();
    diagnostics::warn_once_with(
        Misconfiguration::SuccessfulRejection,
        format_args!("status {status}"),
    );
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "rejection_without_error_status",
        "The server failed to determine the rate limit of this request; see the log of the server",
    )
}

/// Passes on the response of an `on_limited` function. A success status becomes 429, with the body
/// unchanged.
#[cold]
pub(crate) fn with_refusal_status(mut response: Response) -> Response {
    if is_success_for_client(&response) {
        let status = response.status();
        diagnostics::warn_once_with(
            Misconfiguration::SuccessfulRefusal,
            format_args!("status {status}"),
        );
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    }
    response
}
