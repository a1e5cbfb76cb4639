//! The response that takes the handler's place, where a key, limits or cost has none.

use super::rejection;
use axum::response::{IntoResponse, Response};

/// A response is large, and rare here: what comes in its place is small as long as the response is a pointer.
pub(crate) type Instead = Box<Response>;

/// What clients get in place of the handler's answer.
#[cold]
pub(crate) fn instead(rejection: impl IntoResponse) -> Instead {
    Box::new(rejection::with_error_status(rejection.into_response()))
}
