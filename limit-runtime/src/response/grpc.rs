//! Responses to refused gRPC requests: trailers-only, with a gRPC status instead of a body.
//!
//! A gRPC client reports any other answer as an internal or unknown error. The format is that of
//! [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md); gRPC-Web
//! accepts the same headers on a response without a body.

use super::{
    buffer::{number, parse_number},
    header_names::{RETRY_AFTER_MS, X_SHOULD_RETRY},
};
use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{
    borrow::Cow,
    fmt::Write,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Milliseconds until the client may retry the request; negative if it must not. Defined by the
/// [gRPC retry design](https://github.com/grpc/proposal/blob/master/A6-client-retries.md).
const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The largest number of bytes of a message before it is encoded. Clients accept 8 KiB of headers
/// in total.
const MAX_MESSAGE: usize = 1_024;

/// Converts a rejection to the format of the client: if `request` has the headers of a gRPC
/// request, the response gets a gRPC status, unless it is a gRPC error already.
pub(crate) fn convert_for_client(request: &HeaderMap, response: &mut Response) {
    if let Some(content_type) = content_type(request)
        && !is_error(response)
    {
        *response = trailers_only(content_type.clone(), mem::take(response));
    }
}

/// The text for `grpc-message`: an extension of a response with a body in another format.
#[derive(Clone, Debug)]
pub(crate) struct Message(pub(crate) Cow<'static, str>);

/// The content type of a gRPC or gRPC-Web request; `None` for other requests.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&HeaderValue> {
    let content_type = headers.get(header::CONTENT_TYPE)?;
    let essence = content_type.as_bytes().split(|&byte| byte == b';').next()?;
    let essence = essence.split(|&byte| byte == b'+').next()?;
    let is_grpc = [
        "application/grpc",
        "application/grpc-web",
        "application/grpc-web-text",
    ]
    .iter()
    .any(|grpc| essence.trim_ascii().eq_ignore_ascii_case(grpc.as_bytes()));
    is_grpc.then_some(content_type)
}

/// Whether a response is a gRPC error already, such as one that the application made.
pub(crate) fn is_error(response: &Response) -> bool {
    let status = response.headers().get(GRPC_STATUS);
    status.is_some_and(|status| status.as_bytes() != b"0")
}

/// Converts a rejection to a trailers-only response. Drops the body and the headers about it.
#[cold]
pub(crate) fn trailers_only(content_type: HeaderValue, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let message = plain_text(&parts.headers, body)
        .or_else(|| Some(parts.extensions.remove::<Message>()?.0))
        .or_else(|| Some(parts.status.canonical_reason()?.into()))
        .unwrap_or_default();
    let status = status_of(parts.status);
    let headers = &mut parts.headers;
    if let Some(pushback) = pushback(headers) {
        headers.insert(GRPC_RETRY_PUSHBACK_MS, pushback);
    }
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(&message)) {
        headers.insert(GRPC_MESSAGE, message);
    }
    parts.status = StatusCode::OK;
    Response::from_parts(parts, Body::empty())
}

/// The gRPC status code for an HTTP status.
fn status_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => "8", // RESOURCE_EXHAUSTED
        StatusCode::SERVICE_UNAVAILABLE => "14",                              // UNAVAILABLE
        StatusCode::BAD_REQUEST => "3",                                       // INVALID_ARGUMENT
        StatusCode::UNAUTHORIZED => "16",                                     // UNAUTHENTICATED
        StatusCode::FORBIDDEN => "7",                                         // PERMISSION_DENIED
        _ => "13",                                                            // INTERNAL
    }
}

/// The value of `grpc-retry-pushback-ms` that corresponds to the HTTP headers.
fn pushback(headers: &HeaderMap) -> Option<HeaderValue> {
    if let Some(millis) = headers.get(RETRY_AFTER_MS).and_then(parse_number) {
        return Some(number(millis));
    }
    if let Some(seconds) = headers.get(header::RETRY_AFTER).and_then(parse_number) {
        return Some(number(seconds.saturating_mul(1_000)));
    }
    if let Some(date) = headers.get(header::RETRY_AFTER) {
        let date = httpdate::parse_http_date(date.to_str().ok()?).ok()?;
        let wait = date.duration_since(SystemTime::now()).unwrap_or_default();
        return Some(number(crate::decision::whole_millis(wait)));
    }
    let should_retry = headers.get(X_SHOULD_RETRY)?;
    (should_retry == "false").then_some(HeaderValue::from_static("-1"))
}

/// The text of a short plain-text body in memory, such as that of `(StatusCode, &str)`.
fn plain_text(headers: &HeaderMap, mut body: Body) -> Option<Cow<'static, str>> {
    let content_type = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let essence = content_type.get(.."text/plain".len())?;
    let length = body.size_hint().exact()?;
    if !essence.eq_ignore_ascii_case(b"text/plain") || length == 0 || length > MAX_MESSAGE as u64 {
        return None;
    }
    // A body in memory is ready at once, so no waker is needed.
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) else {
        return None;
    };
    let text = String::from_utf8(frame.into_data().ok()?.into()).ok()?;
    Some(text.into())
}

/// Encodes `grpc-message` as the specification requires: printable ASCII other than `%` stays, and
/// every other byte of the UTF-8 text is written in hexadecimal, such as `%E2`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let end = (0..=MAX_MESSAGE.min(text.len()))
        .rfind(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    for byte in text.bytes().take(end) {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn grpc_content_types_are_recognised() {
        for (value, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("Application/GRPC ; x=y", true),
            ("application/grpc-web", true),
            ("application/grpc-web+proto", true),
            ("application/grpc-web-text", true),
            ("application/grpc-web-text+proto;x=y", true),
            ("application/grpcx", false),
            ("application/grpc-", false),
            ("application/grpc-webx", false),
            ("application/json", false),
            ("application/json;x=application/grpc", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(content_type(&headers).is_some(), expected, "{value}");
        }
        assert_eq!(content_type(&HeaderMap::new()), None);
    }

    #[test]
    fn a_message_keeps_printable_ascii_and_encodes_the_rest() {
        assert_eq!(percent_encoded("10 per minute~!"), "10 per minute~!");
        assert_eq!(
            percent_encoded("100 % é\r\n\u{7f}"),
            "100 %25 %C3%A9%0D%0A%7F"
        );
        assert_eq!(percent_encoded(&"x".repeat(5_000)).len(), MAX_MESSAGE);
        // No character is cut in two.
        assert!(percent_encoded(&format!("{}é", "x".repeat(MAX_MESSAGE - 1))).ends_with('x'));
    }

    fn refused(response: impl IntoResponse) -> http::response::Parts {
        let content_type = HeaderValue::from_static("application/grpc+proto");
        let (parts, body) = trailers_only(content_type, response.into_response()).into_parts();
        assert_eq!(parts.status, StatusCode::OK);
        assert_eq!(
            parts.headers[header::CONTENT_TYPE],
            "application/grpc+proto"
        );
        assert!(body.is_end_stream());
        assert!(!parts.headers.contains_key(header::CONTENT_LENGTH));
        parts
    }

    #[test]
    fn each_status_has_its_code() {
        for (http, grpc) in [
            (429, "8"),
            (413, "8"),
            (503, "14"),
            (400, "3"),
            (401, "16"),
            (403, "7"),
            (500, "13"),
            (404, "13"),
            (302, "13"),
        ] {
            let status = StatusCode::from_u16(http).unwrap();
            assert_eq!(refused(status).headers[GRPC_STATUS], grpc, "{http}");
        }
    }

    #[test]
    fn the_message_is_a_plain_text_body_or_the_extension_or_the_reason() {
        let parts = refused((StatusCode::UNAUTHORIZED, "wrong key"));
        assert_eq!(parts.headers[GRPC_MESSAGE], "wrong key");
        let html = axum::response::Html("<h1>no</h1>");
        let parts = refused((StatusCode::FORBIDDEN, html));
        assert_eq!(parts.headers[GRPC_MESSAGE], "Forbidden");
        let message = axum::Extension(Message("slow down".into()));
        let parts = refused((StatusCode::TOO_MANY_REQUESTS, message, html));
        assert_eq!(parts.headers[GRPC_MESSAGE], "slow down");
    }

    #[test]
    fn the_pushback_corresponds_to_the_http_headers() {
        let pushback = |name: &'static str, value: &str| {
            let response = (StatusCode::SERVICE_UNAVAILABLE, [(name, value.to_owned())]);
            let parts = refused(response);
            let pushback = parts.headers.get(GRPC_RETRY_PUSHBACK_MS)?;
            Some(pushback.to_str().unwrap().to_owned())
        };
        assert_eq!(pushback("retry-after-ms", "1234").as_deref(), Some("1234"));
        assert_eq!(pushback("retry-after", "2").as_deref(), Some("2000"));
        assert_eq!(pushback("x-should-retry", "false").as_deref(), Some("-1"));
        assert_eq!(pushback("x-should-retry", "true"), None);
        assert_eq!(pushback("retry-after", "soon"), None);
        let past = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(pushback("retry-after", past).as_deref(), Some("0"));
    }
}
