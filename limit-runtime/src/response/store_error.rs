//! The response to a request whose check failed because of the store.

use super::problem::problem;
use crate::store::StoreError;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

impl IntoResponse for StoreError {
    /// Responds with 503. The cause is in the log at level `debug`, not in the response.
    fn into_response(self) -> Response {
        tracing::debug!(error = %self, "rate limiter unavailable: the store did not answer");
        let mut response = problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "rate_limiter_unavailable",
            "The rate limiter is temporarily unavailable",
        );
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}
