//! Problem documents (RFC 9457) with an `error` object that client libraries of LLM APIs show.

use super::{buffer::Text, grpc};
use crate::store::StoreError;
use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use std::fmt::{self, Display, Write};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Headers of a refusal, including those that the server adds.
const HEADERS: usize = 10;

/// A response with a problem document. `code` does not change between versions.
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

impl IntoResponse for StoreError {
    /// 503. The cause is in the log, not in the response.
    fn into_response(self) -> Response {
        tracing::debug!(error = %self, "the rate limiter's store could not answer");
        let mut response = problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "rate_limiter_unavailable",
            "The rate limiter cannot answer at the moment",
        );
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    }
}

/// Writes the `error` object. `message` is a JSON string, quotes included.
pub(super) fn write_error_object<const N: usize>(
    body: &mut Text<N>,
    status: StatusCode,
    code: &'static str,
    message: &[u8],
) {
    let kind = match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    };
    body.str(r#""error":{"message":"#).bytes(message);
    body.str(r#","type":""#).str(kind);
    body.str(r#"","code":""#).str(code).str(r#""}"#);
}

pub(super) fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    // Reserved at once, so that the map does not grow when the rate-limit headers are added.
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    response
}

/// Writes `text` as a JSON string, quotes included (RFC 8259, section 7).
pub(super) fn write_json_string<const N: usize>(json: &mut Text<N>, text: impl Display) {
    json.str("\"");
    // Writing to a `Text` cannot fail.
    let _ = write!(Escaped(json), "{text}");
    json.str("\"");
}

/// Escapes what is written through it.
struct Escaped<'a, const N: usize>(&'a mut Text<N>);

impl<const N: usize> Write for Escaped<'_, N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.0.str(text);
            return Ok(());
        }
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(self.0, "\\{c}")?,
                c if c < ' ' => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_string_escapes_what_json_demands() {
        let mut json = Text::<8>::new();
        write_json_string(&mut json, "a\"b\\c\n");
        assert_eq!(json.as_bytes(), br#""a\"b\\c\u000a""#);
    }
}
