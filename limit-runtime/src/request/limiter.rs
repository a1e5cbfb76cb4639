//! The limiter of a request: lookup and extractor.

use crate::limiter::Limiter;
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;

impl Limiter {
    /// The limiter that checks a request: of the nearest layer around the handler, or else the
    /// process-wide one.
    ///
    /// ```
    /// use axum::http::Request;
    /// use limit_runtime::Limiter;
    ///
    /// # fn main() -> Result<(), axum::http::Error> {
    /// let (parts, ()) = Request::builder().body(())?.into_parts();
    /// println!("{:?}", Limiter::of(&parts).usage());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(parts: &Parts) -> &Self {
        match parts.extensions.get::<Self>() {
            Some(limiter) => limiter,
            None => Self::without_layer(),
        }
    }

    /// [`of`](Self::of) before the check. Does not warn of a missing layer: the check, which calls
    /// [`without_layer`](Self::without_layer) once for each request, does.
    pub(crate) fn find(parts: &Parts) -> &Self {
        let limiter = parts.extensions.get::<Self>();
        limiter.unwrap_or_else(|| Self::global())
    }
}

/// Extracts the limiter that checks the request, to reset a key or to check what no attribute
/// covers. Never fails.
impl<S: Sync> FromRequestParts<S> for Limiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts).clone())
    }
}
