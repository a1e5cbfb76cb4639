//! The extractor of a request's limiter.

use crate::limiter::Limiter;
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;

/// Extracts the limiter that checks the request, to reset a key or to check what no attribute
/// covers. Never fails.
impl<S: Sync> FromRequestParts<S> for Limiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts).clone())
    }
}
