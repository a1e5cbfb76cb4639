//! The limiter of a request, and the extractor of it.

use crate::limiter::Limiter;
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;

impl Limiter {
    /// The limiter that a request is checked by: that of the nearest layer around, or else the process's.
    #[must_use]
    pub fn of(parts: &Parts) -> &Self {
        match parts.extensions.get::<Self>() {
            Some(limiter) => limiter,
            None => Self::without_layer(),
        }
    }

    /// The same for a request that is checked later, where [`without_layer`](Self::without_layer) is
    /// called once.
    pub(crate) fn find(parts: &Parts) -> &Self {
        let limiter = parts.extensions.get::<Self>();
        limiter.unwrap_or_else(|| Self::global())
    }
}

/// The limiter that the request is checked by: to clear a client, to check what no attribute covers.
impl<S: Sync> FromRequestParts<S> for Limiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts).clone())
    }
}
