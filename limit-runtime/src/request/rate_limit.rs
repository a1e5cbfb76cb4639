//! The `RateLimit` extractor: a handler reads, charges and refunds the limits on its request.

use super::{
    current_request::{self, Blocked},
    enclosing_limits::EnclosingLimits,
    rate_limit_rejection::{RateLimitRejection, UnknownPolicy},
    request_limits::RequestLimits,
};
use crate::{
    decision::{Decision, Outcome},
    limiter::Limiter,
    policy::resolved_rule::ResolvedRule,
    store::{Action, StoreError},
};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use std::{convert::Infallible, fmt, future::poll_fn, sync::Arc};

/// Extractor for the limits on the current request.
///
/// Reads what remains, and charges or refunds units that become known in the handler. The headers
/// of the response show the result.
///
/// ```
/// use limit_runtime::{RateLimit, rate_limit, store::StoreError};
///
/// #[rate_limit("1_000/hour")]
/// async fn search(limit: RateLimit) -> Result<String, StoreError> {
///     let (text, pages) = ("…".to_owned(), 3);
///     limit.charge(pages - 1).await?;
///     Ok(text)
/// }
/// ```
///
/// If the handler may end before that line, because it panics, is too slow or streams to a client
/// that leaves, charge an estimate with `cost = …`, and settle it: with a
/// [`Reservation`](crate::Reservation) argument, or with [`reservation`](Self::reservation) if
/// several policies have a cost.
///
/// ```
/// use limit_runtime::{Reservation, rate_limit};
///
/// # async fn run_model(prompt: &str) -> (String, u64) { unimplemented!() }
/// #[rate_limit("100_000/minute", cost = prompt.len() as u64 / 4 + 500)]
/// async fn complete(reservation: Reservation, prompt: String) -> String {
///     let (text, tokens) = run_model(&prompt).await;
///     reservation.commit(tokens);
///     text
/// }
/// ```
///
/// # Which limits
///
/// On a handler with `#[rate_limit]`: the limits of its attributes. On a handler without: the
/// limits of the innermost layer. With several attributes, [`only`](Self::only) selects one.
///
/// If no limit applies to the request (an exempt client, a disabled limiter), the `RateLimit` is
/// empty: it has no outcomes, and `charge` and `refund` do nothing. It is empty, too, if the limits
/// function of the innermost layer exempts the request, even if outer layers limit it; and under an
/// innermost layer in dry run, where `charge` and `refund` change the budget of the dry run alone.
///
/// # In other extractors
///
/// An extractor of your own may extract a `RateLimit`, but has to do so before it spawns a task: in
/// another task the limits of the handler's attributes are not found. For handlers that are used
/// with and without limits, take an `Option<RateLimit>`.
///
/// # Errors
///
/// Without a `#[rate_limit]` and a layer, the extractor fails with a [`RateLimitRejection`] (500).
#[derive(Clone)]
pub struct RateLimit {
    enclosing: EnclosingLimits,
    /// The name of the selected policy; `None` for all policies.
    only: Option<Box<str>>,
}

impl RateLimit {
    fn new(enclosing: EnclosingLimits) -> Self {
        Self {
            enclosing,
            only: None,
        }
    }

    fn empty(limiter: &Limiter) -> Self {
        let limits = RequestLimits::unlimited(limiter.clone());
        Self::new(EnclosingLimits::new(Arc::new(limits)))
    }

    pub(super) fn limits(&self) -> &RequestLimits {
        self.enclosing.limits().current()
    }

    /// The state that extractors share, which [`limits`](Self::limits) may have replaced.
    pub(super) fn shared_limits(&self) -> &Arc<RequestLimits> {
        self.enclosing.limits()
    }

    /// The name of the selected policy.
    pub(super) fn selected(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// Selects the policy with this name. The result is empty if that policy exempts the request.
    ///
    /// ```
    /// use limit_runtime::{RateLimit, UnknownPolicy, rate_limit};
    ///
    /// #[rate_limit("60/minute", name = "requests")]
    /// #[rate_limit("100_000 tokens/hour", name = "tokens")]
    /// async fn complete(limit: RateLimit) -> Result<String, UnknownPolicy> {
    ///     Ok(format!("{:?} tokens left", limit.only("tokens")?.remaining()))
    /// }
    /// ```
    ///
    /// # Errors
    /// If the handler has policies, but none with this name.
    pub fn only(&self, policy: &str) -> Result<Self, UnknownPolicy> {
        let rules = self.limits().rules.iter();
        let configs = rules.flat_map(ResolvedRule::configs);
        let of_permits = self.limits().permit_views().map(|permit| permit.name);
        let names = configs.map(|config| config.name).chain(of_permits);
        let known: Vec<_> = names.chain(self.enclosing.exempt_names()).collect();
        if !known.is_empty() && !known.contains(&policy) {
            return Err(UnknownPolicy::new(policy, known));
        }
        Ok(Self {
            only: Some(policy.into()),
            ..self.clone()
        })
    }

    /// The outcome of each limit, as of the last check, charge or refund.
    ///
    /// ```
    /// use limit_runtime::RateLimit;
    ///
    /// async fn usage(limit: RateLimit) -> String {
    ///     let outcomes = limit.outcomes();
    ///     let lines = outcomes.iter().map(|outcome| {
    ///         format!("{}: {} left", outcome.limit(), outcome.remaining())
    ///     });
    ///     lines.collect::<Vec<_>>().join("\n")
    /// }
    /// ```
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        let decision = self.limits().decision();
        let mut outcomes = decision.iter().flat_map(Decision::outcomes);
        let mut selected = Vec::new();
        for (index, rule) in self.limits().rules.iter().enumerate() {
            let of_rule = outcomes.by_ref().take(rule.limits.len());
            if self.is_selected(index) {
                selected.extend(of_rule);
            } else {
                of_rule.for_each(drop);
            }
        }
        selected
    }

    /// The units left under the limit that has the fewest left; `None` if no limit applies.
    ///
    /// It is the smallest number, whatever the units are. With policies that count different ones,
    /// such as requests and tokens, select one with [`only`](Self::only).
    ///
    /// ```
    /// use limit_runtime::RateLimit;
    ///
    /// async fn quota(limit: RateLimit) -> String {
    ///     match limit.remaining() {
    ///         Some(units) => format!("{units} left"),
    ///         None => "unlimited".to_owned(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        let outcomes = self.outcomes();
        outcomes.iter().map(|outcome| outcome.remaining()).min()
    }

    /// Charges `cost` more units for work that has been done, even beyond the limits. The client is
    /// admitted again once the excess has left the window.
    ///
    /// Returns the decision on the selected limits.
    ///
    /// # Errors
    /// If the store could not answer.
    pub async fn charge(&self, cost: u64) -> Result<Decision, StoreError> {
        let limits = self.limits();
        let charged = limits.charge_more(|index| self.is_selected(index), cost, Action::Force);
        let charged = charged.await;
        limits.force_dry_run(|rule| self.selects(rule), cost).await;
        charged
    }

    /// Charges `cost` more units before further work, if all limits allow it; else nothing.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use limit_runtime::{RateLimit, store::StoreError};
    ///
    /// async fn complete(limit: RateLimit) -> Result<StatusCode, StoreError> {
    ///     if limit.try_charge(250).await?.is_allowed() {
    ///         Ok(StatusCode::OK)
    ///     } else {
    ///         Ok(StatusCode::TOO_MANY_REQUESTS)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// If the store could not answer.
    pub async fn try_charge(&self, cost: u64) -> Result<Decision, StoreError> {
        let limits = self.limits();
        let charged = limits.charge_more(|index| self.is_selected(index), cost, Action::Consume);
        let decision = charged.await?;
        if decision.is_allowed() {
            limits.force_dry_run(|rule| self.selects(rule), cost).await;
        }
        Ok(decision)
    }

    /// Refunds `units` of what this request was charged, at most all of it.
    ///
    /// If the cost is an estimate, take a [`Reservation`](crate::Reservation): it gives back what
    /// was not used also if the handler panics or the client leaves, when no line of the handler
    /// runs any more.
    ///
    /// ```
    /// use limit_runtime::{RateLimit, rate_limit, store::StoreError};
    ///
    /// # fn find_in_cache() -> Option<&'static str> { None }
    /// #[rate_limit("60/minute")]
    /// async fn look_up(limit: RateLimit) -> Result<&'static str, StoreError> {
    ///     if let Some(answer) = find_in_cache() {
    ///         limit.refund(1).await?;
    ///         return Ok(answer);
    ///     }
    ///     Ok("…")
    /// }
    /// ```
    ///
    /// # Errors
    /// If the store cannot take this refund. If it only does not answer, the refund is kept and
    /// sent when it does.
    pub async fn refund(&self, units: u64) -> Result<(), StoreError> {
        let limits = self.limits();
        let refunded = limits.refund(|index| self.is_selected(index), units);
        let refunded = refunded.await;
        limits
            .refund_dry_run(|rule| self.selects(rule), units)
            .await;
        refunded
    }

    /// Names of rules and layers that do not limit the request.
    pub(super) fn exempt_names(&self) -> impl Iterator<Item = &'static str> {
        self.enclosing.exempt_names()
    }

    fn is_selected(&self, index: usize) -> bool {
        let rule = self.limits().rules.get(index);
        rule.is_some_and(|rule| self.selects(rule))
    }

    pub(super) fn selects(&self, rule: &ResolvedRule) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|name| rule.configs().any(|config| config.name == name))
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
    /// The limits on this request; `None` without an attribute and a layer.
    pub(super) async fn find(parts: &mut Parts) -> Option<Self> {
        let current = match poll_fn(|cx| current_request::poll_state(parts, cx)).await {
            Ok(current) => current,
            Err(Blocked) => {
                tracing::error!(
                    "an extractor blocks the thread until `RateLimit` is ready; await it instead"
                );
                return None;
            }
        };
        let enclosing = parts.extensions.get::<EnclosingLimits>();
        if let Some(limits) = current {
            // An inner layer, on a request that an extractor sends, has inserted newer limits.
            let is_newer = |enclosing: &&EnclosingLimits| {
                let mut outer = RequestLimits::innermost_first(Some(&limits));
                !outer.any(|known| std::ptr::eq(known, enclosing.limits().current()))
            };
            if let Some(newer) = enclosing.filter(is_newer) {
                return Some(Self::new(newer.clone()));
            }
            let own = EnclosingLimits::new(limits);
            // For limited handlers that this handler may call.
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
        Self::find(parts).await.ok_or(RateLimitRejection)
    }
}

/// `None` on a handler without a `#[rate_limit]` and without a layer of a limiter around it.
impl<S: Sync> OptionalFromRequestParts<S> for RateLimit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::find(parts).await)
    }
}
