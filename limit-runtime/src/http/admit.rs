//! One all-or-nothing check for all the limits on a handler.

use super::{client_ip::client_ip, guard::Guard, handle::RateLimit, spec::Demands};
use crate::{
    key::{IntoKey, Key},
    limiter::Limiter,
};
use axum::{
    extract::{FromRequestParts, MatchedPath},
    response::{IntoResponse, Response},
};
use http::request::Parts;
use std::{convert::Infallible, sync::Arc};

/// Whether the check consumes, or the charge comes once the cost is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// The costs are known.
    Consume,
    /// The costs are not known yet: refuse those who have nothing left.
    Peek,
}

/// Checks all `demands` as one.
///
/// # Errors
/// The response for a request that is refused.
pub(super) async fn admit(parts: &Parts, demands: Demands, how: Admit) -> Result<Guard, Response> {
    let limiter = Limiter::of(parts);
    if demands.is_empty() || limiter.skips(parts) {
        return Ok(Guard::unlimited());
    }
    let limiter = limiter.clone();
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let outer = parts.extensions.get::<RateLimit>().cloned().map(Arc::new);
    let mut guard = Guard::new(limiter, route, demands, outer);
    guard.warn_of_double_charge();
    match how {
        Admit::Consume => guard.admit().await?,
        Admit::Peek => guard.peek().await?,
    }
    Ok(guard)
}

impl Limiter {
    /// The limiter that a request is checked by: that of the nearest layer around, or else the process's.
    #[must_use]
    pub fn of(parts: &Parts) -> &Self {
        match parts.extensions.get::<Self>() {
            Some(limiter) => limiter,
            None => Self::global(),
        }
    }

    /// The key of a request where neither attribute nor layer names one.
    pub(super) async fn default_key(parts: &mut Parts) -> Result<Option<Key>, Response> {
        match Self::of(parts).own_key().cloned() {
            Some(key) => key(parts).await,
            None => match client_ip(parts) {
                Ok(address) => Ok(Some(address.into_key())),
                Err(rejection) => Err(rejection.into_response()),
            },
        }
    }
}

/// The limiter that the request is checked by: to clear a client, to check what no attribute covers.
impl<S: Sync> FromRequestParts<S> for Limiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts).clone())
    }
}
