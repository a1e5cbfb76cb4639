//! Problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with an `error` object.
//!
//! The `error` object has the format of OpenAI's errors. Client libraries of LLM APIs show its
//! message.

use super::{buffer::Text, grpc, json_string::write_json_string};
use axum::{
    body::{Body, Bytes},
    response::Response,
};
use http::{HeaderValue, StatusCode, header};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Room for the headers of a refusal, including those that the server adds.
const HEADER_CAPACITY: usize = 10;

/// Makes a response with a problem document. A `code` never changes between versions.
pub(crate) fn problem(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let mut message = Text::<256>::new();
    write_json_string(&mut message, detail);
    let mut body = Text::<512>::new();
    body.str(r#"{"title":"#);
    write_json_string(&mut body, status.canonical_reason().unwrap_or_default());
    body.str(r#","status":"#).number(status.as_u16().into());
    body.str(r#","detail":"#).bytes(message.as_bytes()).str(",");
    write_error_object(&mut body, status, code, message.as_bytes());
    body.str("}");
    let mut response = json(status, Bytes::copy_from_slice(body.as_bytes()));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, NO_STORE);
    let message = grpc::Message(detail.to_owned().into());
    response.extensions_mut().insert(message);
    response
}

/// Writes the `error` object. `message` must be a JSON string with its quotes.
pub(super) fn write_error_object<const N: usize>(
    body: &mut Text<N>,
    status: StatusCode,
    code: &'static str,
    message: &[u8],
) {
    let error_type = match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    };
    body.str(r#""error":{"message":"#).bytes(message);
    body.str(r#","type":""#).str(error_type);
    body.str(r#"","code":""#).str(code).str(r#""}"#);
}

/// Makes a response with this problem document as its body.
#[inline]
pub(super) fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    // Reserve once, so that adding the rate-limit headers does not grow the map.
    let headers = response.headers_mut();
    headers.reserve(HEADER_CAPACITY);
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    response
}
