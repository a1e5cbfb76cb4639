//! Key functions that need no code of the user's: a header's value, a bearer token, one key for all.

use crate::{
    key::{IntoKey, Key},
    response::problem::problem,
};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};
use std::fmt;

/// The key function that counts all requests together.
#[must_use]
pub fn everyone() -> Key {
    ().into_key()
}

/// A key function that counts by a header's value, such as `header("x-api-key")`.
///
/// A request without the header, or with several of it, is refused with 400: it could not be told whose it is.
/// Names are compared without regard to case.
///
/// Anybody can send any value: let only clients with a valid one come this far, or limit by address as well.
pub fn header(
    name: &'static str,
) -> impl Fn(&Parts) -> Result<HeaderKey, HeaderKeyRejection> + Clone + Send + Sync + 'static {
    move |parts| {
        let mut values = parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(HeaderKey(value.into_key())),
            (None, _) => Err(HeaderKeyRejection::missing(name)),
            (Some(_), Some(_)) => Err(HeaderKeyRejection {
                name,
                reason: Reason::Repeated,
            }),
        }
    }
}

/// The value that [`header()`] found.
#[derive(Clone, Debug)]
pub struct HeaderKey(Key);

impl IntoKey for HeaderKey {
    fn into_key(self) -> Key {
        self.0
    }
}

/// The key function that counts by the token of `Authorization: Bearer …` (RFC 6750, section 2.1).
///
/// The scheme is compared without regard to case, and spaces around the token are no part of it, so
/// that one token is one key however it is sent. A request without a token is refused with 401.
///
/// ```
/// use limit_runtime::{bearer, rate_limit};
///
/// #[rate_limit("100/minute", key = bearer)]
/// async fn complete() {}
/// ```
///
/// Anybody can send any token: check tokens before, or limit by address as well.
///
/// # Errors
/// When the header is missing, sent more than once, or holds no bearer token.
pub fn bearer(parts: &Parts) -> Result<BearerKey, BearerRejection> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(BearerRejection(()));
    };
    match token(value.as_bytes()) {
        Some(token) => Ok(BearerKey(match std::str::from_utf8(token) {
            Ok(text) => text.into_key(),
            Err(_) => token.into_key(),
        })),
        None => Err(BearerRejection(())),
    }
}

/// The token of a bearer credential: one word behind the scheme.
fn token(credential: &[u8]) -> Option<&[u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let credential = credential.trim_ascii();
    let scheme = credential.iter().position(is_space)?;
    let (scheme, rest) = credential.split_at(scheme);
    let token = rest.trim_ascii();
    let is_token = scheme.eq_ignore_ascii_case(b"bearer") && !token.iter().any(is_space);
    is_token.then_some(token)
}

/// The token that [`bearer`] found.
#[derive(Clone, Debug)]
pub struct BearerKey(Key);

impl IntoKey for BearerKey {
    fn into_key(self) -> Key {
        self.0
    }
}

/// A request without a bearer token.
#[derive(Clone, Copy, Debug)]
pub struct BearerRejection(());

impl fmt::Display for BearerRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("A bearer token is required: `Authorization: Bearer <token>`, sent once")
    }
}

impl std::error::Error for BearerRejection {}

impl IntoResponse for BearerRejection {
    /// 401 with `WWW-Authenticate: Bearer` (RFC 9110, section 11.6.1).
    fn into_response(self) -> Response {
        let mut response = problem(
            StatusCode::UNAUTHORIZED,
            "missing_bearer_token",
            &self.to_string(),
        );
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

/// A request that cannot be counted by a header.
#[derive(Clone, Copy, Debug)]
pub struct HeaderKeyRejection {
    name: &'static str,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
enum Reason {
    Missing,
    Repeated,
    NotAName,
}

impl HeaderKeyRejection {
    fn missing(name: &'static str) -> Self {
        let reason = match HeaderName::from_bytes(name.as_bytes()) {
            Ok(_) => Reason::Missing,
            Err(_) => Reason::NotAName,
        };
        Self { name, reason }
    }
}

impl fmt::Display for HeaderKeyRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match self.reason {
            Reason::Missing => write!(f, "Header `{name}` is required"),
            Reason::Repeated => write!(f, "Header `{name}` must be sent once"),
            Reason::NotAName => write!(f, "`{name}` is not a header's name"),
        }
    }
}

impl std::error::Error for HeaderKeyRejection {}

impl IntoResponse for HeaderKeyRejection {
    fn into_response(self) -> Response {
        let (status, code) = match self.reason {
            Reason::Missing => (StatusCode::BAD_REQUEST, "missing_header"),
            Reason::Repeated => (StatusCode::BAD_REQUEST, "repeated_header"),
            Reason::NotAName => (StatusCode::INTERNAL_SERVER_ERROR, "invalid_header_name"),
        };
        problem(status, code, &self.to_string())
    }
}
