//! Key functions that need no code of the user's: a header's value, and one key for all.

use super::refusal;
use crate::key::{IntoKey, Key};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode, request::Parts};
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

/// The value that [`header`] found.
#[derive(Clone, Debug)]
pub struct HeaderKey(Key);

impl IntoKey for HeaderKey {
    fn into_key(self) -> Key {
        self.0
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
        refusal::problem(status, code, &self.to_string())
    }
}
