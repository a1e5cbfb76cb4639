//! The response to a request whose check failed because of the store.

use super::problem::problem;
use crate::store::StoreError;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

impl StoreError {
    /// The status of the response: 503.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    /// The text of the response, which does not show the cause.
    #[must_use]
    pub fn body_text(&self) -> String {
        DETAIL.to_owned()
    }
}

/// The detail of the response.
const DETAIL: &str = "The rate limiter is temporarily unavailable";

impl IntoResponse for StoreError {
    /// Responds with 503. The cause is in the log at level `debug`, not in the response.
    fn into_response(self) -> Response {
        tracing::debug!(error = %self, "rate limiter unavailable: the store did not answer");
        let mut response = problem(self.status(), "rate_limiter_unavailable", DETAIL);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}
