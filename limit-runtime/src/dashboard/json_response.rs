//! Responses in JSON.

use crate::response::problem::problem;
use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

/// A response with this value as JSON, which no cache keeps.
pub(super) fn json(value: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(value) else {
        let detail = "The value has no JSON form";
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail);
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    add_protection(headers);
    response
}

/// Headers against caches, and against browsers that guess a type.
pub(super) fn add_protection(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
}
