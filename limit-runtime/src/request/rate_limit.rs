//! The handle on a request's limits that a handler may ask for.

use super::{
    current_request::{self, Blocked},
    request_limits::{EnclosingLimits, RequestLimits},
};
use crate::{
    decision::{Decision, Outcome},
    limiter::Limiter,
    policy::resolved_rule::ResolvedRule,
    response::problem::problem,
    store::{Action, StoreError},
};
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    sync::{Arc, Once},
};

/// The limits on the current request, as an argument of the handler.
///
/// It reads what remains, charges units that are known only now (the tokens that a model produced),
/// and refunds units that were not used. The headers of the response show the result.
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
/// On a handler with attributes it covers only the limits of these attributes; on a handler
/// without, those of the innermost layer. With several attributes, [`only`](Self::only) selects one
/// by its name.
///
/// If no limit applies to the request (an exempt client, a limiter that is switched off), it is
/// empty: it has no outcomes, and `charge` and `refund` do nothing. It is empty, too, if the limits
/// function of the innermost layer exempts the request, whatever layers are around that one.
///
/// An extractor of your own may call it; one that spawns a task calls it before: in another task,
/// the limits of the handler's attributes are not found. For handlers that are used with and without
/// limits, take an `Option<RateLimit>`.
#[derive(Clone)]
pub struct RateLimit {
    enclosing: EnclosingLimits,
    only: Option<Box<str>>,
}

impl RateLimit {
    fn new(enclosing: EnclosingLimits) -> Self {
        Self {
            enclosing,
            only: None,
        }
    }

    /// The handle of a request that no limit applies to.
    fn empty(limiter: &Limiter) -> Self {
        let limits = RequestLimits::of_nothing(limiter.clone());
        Self::new(EnclosingLimits::new(Arc::new(limits)))
    }

    fn limits(&self) -> &RequestLimits {
        self.enclosing.limits()
    }

    /// The same handle for the policy of this name alone. It is empty where that policy exempts the
    /// request.
    ///
    /// # Errors
    /// When there are policies, and none has this name.
    pub fn only(&self, policy: &str) -> Result<Self, UnknownPolicy> {
        let rules = self.limits().rules.iter();
        let limiting = rules.flat_map(ResolvedRule::configs);
        let limiting = limiting.map(|config| config.name);
        let known: Vec<_> = limiting.chain(self.enclosing.exempt_names()).collect();
        if !known.is_empty() && !known.contains(&policy) {
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
        let decision = self.limits().decision();
        let mut outcomes = decision.iter().flat_map(Decision::outcomes);
        let mut chosen = Vec::new();
        for (index, rule) in self.limits().rules.iter().enumerate() {
            let of_demand = outcomes.by_ref().take(rule.limits.len());
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
    pub fn remaining(&self) -> Option<u64> {
        let outcomes = self.outcomes();
        outcomes.iter().map(|outcome| outcome.remaining()).min()
    }

    /// Charges `cost` more, whether it fits or not: the work has been done. What is above a limit's count
    /// has to leave its window before the client is admitted again.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn charge(&self, cost: u64) -> Result<Decision, StoreError> {
        self.limits()
            .charge_more(|index| self.is_chosen(index), cost, Action::Force)
            .await
    }

    /// Charges `cost` more if it fits, else nothing: before further work is begun.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn try_charge(&self, cost: u64) -> Result<Decision, StoreError> {
        self.limits()
            .charge_more(|index| self.is_chosen(index), cost, Action::Consume)
            .await
    }

    /// Gives back `units` of what this request was charged; never more than that.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn refund(&self, units: u64) -> Result<(), StoreError> {
        self.limits()
            .give_back(|index| self.is_chosen(index), units)
            .await
    }

    fn is_chosen(&self, index: usize) -> bool {
        match (&self.only, self.limits().rules.get(index)) {
            (Some(name), Some(rule)) => rule.configs().any(|config| *config.name == **name),
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

impl RateLimit {
    /// The handle on the limits of this request; `None` where neither an attribute nor a layer is.
    async fn of(parts: &mut Parts) -> Option<Self> {
        let current = match poll_fn(|cx| current_request::poll_state(parts, cx)).await {
            Ok(current) => current,
            Err(Blocked) => {
                tracing::error!(
                    "an extractor blocks the thread on `RateLimit`, which has to be awaited"
                );
                return None;
            }
        };
        let enclosing = parts.extensions.get::<EnclosingLimits>();
        if let Some(limits) = current {
            // A layer further in, on a request of its own, has inserted newer ones.
            let is_newer = |enclosing: &&EnclosingLimits| {
                let mut outer = RequestLimits::outwards(Some(&limits));
                !outer.any(|known| std::ptr::eq(known, &**enclosing.limits()))
            };
            if let Some(newer) = enclosing.filter(is_newer) {
                return Some(Self::new(newer.clone()));
            }
            let own = EnclosingLimits::new(limits);
            // For limited handlers that this one may call.
            parts.extensions.insert(own.limits().limiter.clone());
            parts.extensions.insert(own.clone());
            return Some(Self::new(own));
        }
        if let Some(enclosing) = enclosing {
            return Some(Self::new(enclosing.clone()));
        }
        let is_limited = current_request::is_set() || parts.extensions.get::<Limiter>().is_some();
        is_limited.then(|| Self::empty(Limiter::of(parts)))
    }
}

impl<S: Sync> FromRequestParts<S> for RateLimit {
    type Rejection = RateLimitRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Self::of(parts).await.ok_or(RateLimitRejection)
    }
}

/// `None` on a handler that has neither a `#[rate_limit]` nor a layer of a limiter above it.
impl<S: Sync> OptionalFromRequestParts<S> for RateLimit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(parts).await)
    }
}

/// A [`RateLimit`] argument on a handler that has neither a `#[rate_limit]` nor a layer with limits above it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RateLimitRejection;

impl fmt::Display for RateLimitRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a `RateLimit` argument needs limits on the handler: annotate it with `#[rate_limit(…)]`, \
             or add a layer of a limiter to its router",
        )
    }
}

impl std::error::Error for RateLimitRejection {}

impl IntoResponse for RateLimitRejection {
    fn into_response(self) -> Response {
        static SAID: Once = Once::new();
        SAID.call_once(|| tracing::error!("{self}"));
        problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no_rate_limit",
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
        problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unknown_policy",
            "This handler asks for a rate limit that it does not have; the server's log says which",
        )
    }
}
