//! What every response of ours in place of a handler's goes through, whatever the reason.

use axum::response::Response;
use http::request::Parts;

/// Completes the response to a request that does not reach its handler. Its body is not read.
pub(super) fn finish<B>(_parts: &Parts, body: B, response: Response) -> Response {
    drop(body);
    response
}
