//! Rejections of the key functions [`header()`](super::keys::header()) and
//! [`bearer`](super::keys::bearer()).

use crate::response::problem::problem;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::fmt;

/// Rejection of the key function [`bearer`](crate::bearer()): the request has no bearer token.
///
/// The response is 401 with `WWW-Authenticate: Bearer` (RFC 9110, section 11.6.1) and a problem
/// document with the code `missing_bearer_token`.
///
/// ```
/// use axum::http::{Request, StatusCode};
/// use limit_runtime::bearer;
///
/// let (parts, ()) = Request::new(()).into_parts();
/// let rejection = bearer(&parts).unwrap_err();
/// assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED);
/// assert!(rejection.body_text().starts_with("A bearer token is required"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BearerRejection;

impl BearerRejection {
    /// The status of the response: 401.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::UNAUTHORIZED
    }

    /// The `detail` text of the problem document in the response.
    #[must_use]
    pub fn body_text(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for BearerRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("A bearer token is required: `Authorization: Bearer <token>`, sent once")
    }
}

impl std::error::Error for BearerRejection {}

impl IntoResponse for BearerRejection {
    fn into_response(self) -> Response {
        let mut response = problem(self.status(), "missing_bearer_token", &self.body_text());
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

/// Rejection of the key function [`header()`](crate::header()): the header is missing or repeated.
///
/// The response is 400 with the code `missing_header` or `repeated_header`. If the name that the
/// application passed to [`header()`](crate::header()) cannot be a header name, it is 500 with the
/// code `invalid_header_name`.
///
/// ```
/// use axum::http::{Request, StatusCode};
/// use limit_runtime::header;
///
/// let (parts, ()) = Request::new(()).into_parts();
/// let rejection = header("x-api-key")(&parts).unwrap_err();
/// assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
/// assert_eq!(rejection.body_text(), "Header `x-api-key` is required");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HeaderKeyRejection {
    name: &'static str,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
enum Reason {
    Missing,
    Repeated,
    InvalidName,
}

impl HeaderKeyRejection {
    /// The request has no header of this name; a header with an invalid name is always missing.
    pub(super) fn missing(name: &'static str) -> Self {
        let reason = match HeaderName::from_bytes(name.as_bytes()) {
            Ok(_) => Reason::Missing,
            Err(_) => Reason::InvalidName,
        };
        Self { name, reason }
    }

    pub(super) fn repeated(name: &'static str) -> Self {
        Self {
            name,
            reason: Reason::Repeated,
        }
    }

    /// The status of the response: 400, or 500 if the application's header name is invalid.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.reason {
            Reason::Missing | Reason::Repeated => StatusCode::BAD_REQUEST,
            Reason::InvalidName => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `detail` text of the problem document in the response.
    #[must_use]
    pub fn body_text(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for HeaderKeyRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match self.reason {
            Reason::Missing => write!(f, "Header `{name}` is required"),
            Reason::Repeated => write!(f, "Header `{name}` must be sent once"),
            Reason::InvalidName => write!(f, "`{name}` is not a valid header name"),
        }
    }
}

impl std::error::Error for HeaderKeyRejection {}

impl IntoResponse for HeaderKeyRejection {
    fn into_response(self) -> Response {
        let code = match self.reason {
            Reason::Missing => "missing_header",
            Reason::Repeated => "repeated_header",
            Reason::InvalidName => "invalid_header_name",
        };
        problem(self.status(), code, &self.body_text())
    }
}
