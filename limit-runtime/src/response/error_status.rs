//! Makes sure that a response of the application that takes the handler's place is an error.

use super::{grpc, problem::problem};
use crate::diagnostics::{self, Misconfiguration};
use axum::response::Response;
use http::StatusCode;

/// Whether a client would take this response for the handler's success.
fn is_success_for_client(response: &Response) -> bool {
    let status = response.status();
    (status.is_success() || status.is_informational()) && !grpc::is_error(response)
}

/// The rejection of a key, limits, scope or cost function, or of an extractor of one. A rejection
/// with a success status becomes 500: the client would conclude that the handler has run.
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
        "The rate limit of this request could not be determined; the server's log says why",
    )
}

/// The response of `on_limited`. With a success status it becomes 429, and keeps its body.
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
