//! The `Permit` extractor: a handler keeps the permits of its request beyond its response.

use super::{
    hold::{Hold, LaterHold},
    rate_limit::RateLimit,
    rate_limit_rejection::PermitRejection,
    request_limits::RequestLimits,
};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use smallvec::SmallVec;
use std::{convert::Infallible, fmt, sync::Arc};

/// Extractor that holds the permits of a request under its concurrency limits.
///
/// Without it, a request holds its permits until the body of its response has ended. That is too
/// early for work that goes on afterwards: on the socket of a WebSocket, or in a task. Move the
/// `Permit` there. The permits are released when the response has ended and the last clone is
/// dropped.
///
/// ```
/// use axum::http::StatusCode;
/// use limit_runtime::{Permit, bearer, rate_limit};
///
/// // At most two jobs of a client run at once.
/// #[rate_limit(concurrency = 2, key = bearer)]
/// async fn start_job(permit: Permit) -> StatusCode {
///     tokio::spawn(async move {
///         train().await;
///         drop(permit);
///     });
///     StatusCode::ACCEPTED
/// }
///
/// async fn train() {}
/// ```
///
/// It holds the permits of the handler's attributes and of the layers around it. If none of them
/// has a concurrency limit, or none applies to the request (an exempt client, a disabled limiter),
/// it holds nothing. `hold_at_most` ends responses, and does not concern a `Permit`.
///
/// For handlers that are used with and without limits, take an `Option<Permit>`.
///
/// # Errors
///
/// Without a `#[rate_limit]` and a layer, the extractor fails with a [`PermitRejection`] (500).
#[derive(Clone)]
#[must_use = "the permits are released when it is dropped"]
pub struct Permit {
    holds: SmallVec<[Arc<Hold>; 1]>,
    /// The permits that the request takes later: when the arguments are known that its rules use.
    later: Option<Arc<LaterHold>>,
}

impl Permit {
    fn of(limits: &RequestLimits) -> Self {
        let all = RequestLimits::innermost_first(Some(limits));
        Self {
            holds: all.filter_map(RequestLimits::current_hold).collect(),
            later: limits.later_hold(),
        }
    }

    /// Whether a permit is held. `false` if no concurrency limit applies to the request.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let later = self.later.as_ref();
        !self.holds.is_empty() || later.is_some_and(|later| later.get().is_some())
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("is_held", &self.is_held())
            .finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for Permit {
    type Rejection = PermitRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let limit = RateLimit::find(parts).await.ok_or(PermitRejection)?;
        Ok(Self::of(limit.limits()))
    }
}

/// `None` on a handler without a `#[rate_limit]` and without a layer of a limiter around it.
impl<S: Sync> OptionalFromRequestParts<S> for Permit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        let limit = RateLimit::find(parts).await;
        Ok(limit.map(|limit| Self::of(limit.limits())))
    }
}
