//! The response of a function of extractors that rejects the request.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// A response that takes the place of the handler's. Boxed: responses are large, and rejections
/// rare.
pub(crate) type Rejection = Box<Response>;

/// Makes a rejection from what a function of extractors, or one of its extractors, failed with.
#[cold]
pub(crate) fn rejection(error: impl IntoResponse) -> Rejection {
    Box::new(error.into_response())
}

/// In place of a value that should be ready and is not. Never happens, and would refuse the request
/// rather than let it through.
#[cold]
pub(crate) fn not_ready() -> Rejection {
    rejection(StatusCode::INTERNAL_SERVER_ERROR)
}
