//! Key functions: the value of a header, a bearer token, one key for all requests.

use super::key_rejection::{BearerRejection, HeaderKeyRejection};
use crate::key::{IntoKey, Key};
use http::{header, request::Parts};

/// Key function that counts all requests together, whichever client they come from.
///
/// ```
/// use limit_runtime::{everyone, rate_limit};
///
/// #[rate_limit("1_000/minute", key = everyone)]
/// async fn complete() {}
/// ```
#[must_use]
pub fn everyone() -> Key {
    ().into_key()
}

/// Key function that counts by the value of a header. The header name is case-insensitive.
///
/// A request without the header, or with more than one of it, is rejected with 400: a
/// [`HeaderKeyRejection`].
///
/// ```
/// use limit_runtime::{header, rate_limit};
///
/// #[rate_limit("100/minute", key = header("x-api-key"))]
/// async fn complete() {}
/// ```
///
/// Clients can send any value, and a new value for each request has a new budget. Check the value
/// in a layer before this limit, or limit by client address as well.
pub fn header(
    name: &'static str,
) -> impl Fn(&Parts) -> Result<Key, HeaderKeyRejection> + Clone + Send + Sync + 'static {
    move |parts| {
        let mut values = parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value.into_key()),
            (None, _) => Err(HeaderKeyRejection::missing(name)),
            (Some(_), Some(_)) => Err(HeaderKeyRejection::repeated(name)),
        }
    }
}

/// Key function that counts by the token of `Authorization: Bearer …` (RFC 6750, section 2.1).
///
/// The scheme is case-insensitive, and whitespace around the token is ignored: a token has one
/// budget however it is sent.
///
/// ```
/// use limit_runtime::{bearer, rate_limit};
///
/// #[rate_limit("100/minute", key = bearer)]
/// async fn complete() {}
/// ```
///
/// Clients can send any token, and a new token for each request has a new budget. Check tokens in a
/// layer before this limit, or limit by client address as well.
///
/// # Errors
/// If the header is missing, sent more than once, or holds no bearer token. The request is rejected
/// with 401.
pub fn bearer(parts: &Parts) -> Result<Key, BearerRejection> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(BearerRejection);
    };
    match token(value.as_bytes()) {
        Some(token) => Ok(match std::str::from_utf8(token) {
            Ok(text) => text.into_key(),
            Err(_) => token.into_key(),
        }),
        None => Err(BearerRejection),
    }
}

/// The token of a bearer credential: the single word after the scheme.
fn token(credential: &[u8]) -> Option<&[u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let credential = credential.trim_ascii();
    let scheme = credential.iter().position(is_space)?;
    let (scheme, rest) = credential.split_at(scheme);
    let token = rest.trim_ascii();
    let is_token = scheme.eq_ignore_ascii_case(b"bearer") && !token.iter().any(is_space);
    is_token.then_some(token)
}
