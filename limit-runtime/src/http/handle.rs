//! The handle on a request's limits that a handler may ask for.

use super::{refusal, standing::Standing};
use crate::{
    decision::{Decision, Outcome},
    store::{Action, StoreError},
};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use std::{
    fmt,
    sync::{Arc, Once},
};

/// The limits on the request that is being handled, as an extractor argument.
///
/// It tells how they stand, charges what is known only now (the tokens that a model produced), and
/// gives back what was not used. The headers of the response show the result.
///
/// ```
/// use limit_runtime::{RateLimit, store::StoreError};
///
/// async fn complete(limit: RateLimit) -> Result<String, StoreError> {
///     let (text, tokens) = ("…".to_owned(), 250);
///     limit.charge(tokens).await?;
///     Ok(text)
/// }
/// ```
///
/// On a handler with attributes it stands for their limits alone, and on one without for those of the nearest layer.
///
/// On a handler with several policies, [`only`](Self::only) chooses one by its name.
/// On a request that no limit applies to (an exempt client) it has no outcomes, and charges nothing.
#[derive(Clone)]
pub struct RateLimit {
    standing: Arc<Standing>,
    only: Option<Box<str>>,
}

impl RateLimit {
    pub(super) fn new(standing: Arc<Standing>) -> Self {
        Self {
            standing,
            only: None,
        }
    }

    pub(super) fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// The same handle for the policy of this name alone. Where no limit applies, as to a client that is exempt,
    /// it is as empty as this one.
    ///
    /// # Errors
    /// When there are policies, and none has this name.
    pub fn only(&self, policy: &str) -> Result<Self, UnknownPolicy> {
        let demands = &self.standing.demands;
        if !demands.is_empty() && !demands.iter().any(|demand| demand.spec.name == policy) {
            let known = demands.iter().map(|demand| demand.spec.name).collect();
            return Err(UnknownPolicy {
                found: policy.into(),
                known,
            });
        }
        Ok(Self {
            only: Some(policy.into()),
            ..self.clone()
        })
    }

    /// How each limit stands, as of the last check or charge.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        let decision = self.standing.decision();
        let mut outcomes = decision.iter().flat_map(Decision::outcomes);
        let mut chosen = Vec::new();
        for (index, demand) in self.standing.demands.iter().enumerate() {
            let of_demand = outcomes.by_ref().take(demand.limits.len());
            if self.is_chosen(index) {
                chosen.extend(of_demand);
            } else {
                of_demand.for_each(drop);
            }
        }
        chosen
    }

    /// The least that is left of any limit; `None` if no limit applies.
    #[must_use]
    pub fn remaining(&self) -> Option<u32> {
        let outcomes = self.outcomes();
        outcomes.iter().map(|outcome| outcome.remaining()).min()
    }

    /// Charges `cost` more, whether it fits or not: the work has been done. What is above a limit's count
    /// has to leave its window before the client is admitted again.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn charge(&self, cost: u32) -> Result<Decision, StoreError> {
        self.standing
            .take(|index| self.is_chosen(index), cost, Action::Force)
            .await
    }

    /// Charges `cost` more if it fits, else nothing: before further work is begun.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn try_charge(&self, cost: u32) -> Result<Decision, StoreError> {
        self.standing
            .take(|index| self.is_chosen(index), cost, Action::Consume)
            .await
    }

    /// Gives back `units` of what this request was charged; never more than that.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn refund(&self, units: u32) -> Result<(), StoreError> {
        self.standing
            .give_back(|index| self.is_chosen(index), units)
            .await
    }

    fn is_chosen(&self, index: usize) -> bool {
        match (&self.only, self.standing.demands.get(index)) {
            (Some(name), Some(demand)) => *demand.spec.name == **name,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("outcomes", &self.outcomes())
            .finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for RateLimit {
    type Rejection = RateLimitRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let handle = parts.extensions.get::<Self>().cloned();
        handle.ok_or(RateLimitRejection)
    }
}

/// A [`RateLimit`] argument on a handler that has neither a `#[rate_limit]` nor a layer with limits above it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RateLimitRejection;

impl fmt::Display for RateLimitRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a `RateLimit` argument needs limits on the handler: annotate it with `#[rate_limit(…)]`, or add \
             `limiter.limit_layer(\"name\", limits)` to its router; on an annotated handler it must be an argument of its \
             own, not a part of another extractor",
        )
    }
}

impl std::error::Error for RateLimitRejection {}

impl IntoResponse for RateLimitRejection {
    fn into_response(self) -> Response {
        static SAID: Once = Once::new();
        SAID.call_once(|| tracing::error!("{self}"));
        refusal::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This handler has no rate limit to look at; the server's log says why",
        )
    }
}

/// A name that no policy on a handler has; from [`RateLimit::only`].
#[derive(Clone, Debug)]
pub struct UnknownPolicy {
    found: Box<str>,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no policy of the handler is named `{}`; there are `{}`",
            self.found,
            self.known.join("`, `")
        )
    }
}

impl std::error::Error for UnknownPolicy {}

impl IntoResponse for UnknownPolicy {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        refusal::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This handler asks for a rate limit that it does not have; the server's log says which",
        )
    }
}
