//! What an application may know of a request that was refused, to answer it in its own words.

use super::{
    headers::{Label, labelled},
    spec::{Demand, Demands, OnLimitedOfLayer, Spec},
};
use crate::{
    decision::{Decision, Outcome, Verdict, whole_seconds},
    limiter::Limiter,
};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use limit_core::{Limit, Limits};
use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// A request over its limits: the argument of [`on_limited`](crate::LimiterBuilder::on_limited).
///
/// `Display` is the message of the default response, such as `Rate limit exceeded: 10 per minute`.
///
/// Where several policies refuse a request, [`policy`](Self::policy), [`limits`](Self::limits),
/// [`key_label`](Self::key_label) and [`cost`](Self::cost) are those of the one with the longest
/// wait; of equal waits, of the one declared first.
///
/// ```
/// use axum::{Json, http::StatusCode};
/// use limit_runtime::{Exceeded, rate_limit};
///
/// fn slow_down(exceeded: &Exceeded<'_>) -> (StatusCode, Json<String>) {
///     let path = exceeded.parts().uri.path();
///     let words = format!("{path}: over {}, the limits of {}", exceeded.limits(), exceeded.policy());
///     (StatusCode::TOO_MANY_REQUESTS, Json(words))
/// }
///
/// #[rate_limit("10/minute", on_limited = slow_down)]
/// async fn predict() {}
/// ```
///
#[doc = include_str!("../docs/refusals.md")]
#[derive(Debug)]
pub struct Exceeded<'a> {
    parts: &'a Parts,
    pub(super) demands: &'a Demands,
    /// Of each demand.
    costs: &'a [u64],
    pub(super) decision: &'a Decision,
    jitter: Duration,
    omits_retry_after: AtomicBool,
}

/// What a store refused.
pub(super) struct Denial<'a> {
    pub(super) demands: &'a Demands,
    /// What was asked for, of each demand.
    pub(super) costs: &'a [u64],
    pub(super) decision: &'a Decision,
}

/// In place of the limits of a refusal without a policy, which no check makes.
static SOME_LIMITS: Limits = Limits::single(Limit::per_second(NonZeroU64::MIN));

/// A limit that refused.
struct Violation<'a> {
    demand: &'a Demand,
    label: Label,
    outcome: &'a Outcome,
    cost: u64,
}

impl<'a> Exceeded<'a> {
    pub(super) fn new(limiter: &Limiter, parts: &'a Parts, denial: &Denial<'a>) -> Self {
        let key = denial.demands.first().map(|demand| &demand.key);
        Self {
            parts,
            demands: denial.demands,
            costs: denial.costs,
            decision: denial.decision,
            jitter: key.map_or(Duration::ZERO, |key| limiter.retry_jitter(key)),
            omits_retry_after: AtomicBool::new(false),
        }
    }

    /// The head of the request: method, URI, headers and extensions.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        self.parts
    }

    /// How every limit stands.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        self.decision
    }

    /// How long the client has to wait, [jitter](crate::LimiterBuilder::retry_jitter) included; `None` if its request
    /// can never fit.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let wait = self.decision.retry_after()?;
        Some(wait.saturating_add(self.jitter))
    }

    /// The same as in `Retry-After`: in whole seconds, rounded up and never 0.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after().map(|wait| whole_seconds(wait).max(1))
    }

    /// Leaves `Retry-After` and `retry-after-ms` out of the response.
    ///
    /// A `Retry-After` that the response of `on_limited` has itself stays.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .on_limited(|exceeded| {
    ///         exceeded.omit_retry_after();
    ///         StatusCode::FORBIDDEN
    ///     })
    ///     .build();
    /// ```
    pub fn omit_retry_after(&self) {
        self.omits_retry_after.store(true, Ordering::Relaxed);
    }

    pub(super) fn omits_retry_after(&self) -> bool {
        self.omits_retry_after.load(Ordering::Relaxed)
    }

    /// The units that the request asked of the policy that refused it. 1 where the cost depends on
    /// arguments that have not been extracted.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.refused_by().map_or(1, |violation| violation.cost)
    }

    /// The name of the policy that refused the request: the one in the `RateLimit-Policy` header,
    /// without the window that is added to it there if the policy has several limits.
    #[must_use]
    pub fn policy(&self) -> &str {
        self.refused_by()
            .map_or("", |violation| violation.demand.spec.name)
    }

    /// All limits of the policy that refused the request.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        let demand = self.refused_by().map(|violation| violation.demand);
        demand.map_or(&SOME_LIMITS, |demand| &demand.limits)
    }

    /// The names of the policies that refused, as in the header `RateLimit-Policy`.
    pub fn violated_policies(&self) -> impl Iterator<Item = String> {
        self.violated().map(|label| label.to_string())
    }

    /// What the policy that refused the request counts by, as written in the source: `client_ip`,
    /// `header("x-api-key")`. Never the key itself.
    #[must_use]
    pub fn key_label(&self) -> &'static str {
        self.refused_by()
            .map_or("", |violation| violation.demand.spec.key_label)
    }

    pub(super) fn violated(&self) -> impl Iterator<Item = Label> {
        self.violations().map(|violation| violation.label)
    }

    /// The answer of a handler's or a layer's own, where the policy that refused has one.
    pub(super) fn of_handler(&self) -> Option<&OnLimitedOfLayer> {
        let mut all = self.demands.iter().flat_map(Demand::specs);
        if all.all(|spec| spec.own_response().is_none()) {
            return None;
        }
        self.refusing()
            .flat_map(Demand::specs)
            .find_map(Spec::own_response)
    }

    /// The limit that refused, where only one did and there is a wait that helps: all there is to say then.
    pub(super) fn only_violated(&self) -> Option<(Label, Limit)> {
        if self.decision.can_never_fit() {
            return None;
        }
        let mut labelled = labelled(self.demands, self.decision);
        let (label, outcome) = labelled.find(|(_, outcome)| !outcome.is_allowed())?;
        let is_only = labelled.all(|(_, outcome)| outcome.is_allowed());
        is_only.then(|| (label, outcome.limit()))
    }

    /// The demands that refused, once for each limit of theirs that did.
    pub(super) fn refusing(&self) -> impl Iterator<Item = &Demand> {
        self.violations().map(|violation| violation.demand)
    }

    /// The limit with the longest wait; of equal waits, the first.
    fn refused_by(&self) -> Option<Violation<'_>> {
        self.violations().reduce(|longest, other| {
            let is_longer =
                other.outcome.retry_after_micros() > longest.outcome.retry_after_micros();
            if is_longer { other } else { longest }
        })
    }

    fn violations(&self) -> impl Iterator<Item = Violation<'_>> {
        let pairs = self.demands.iter().zip(self.costs);
        let of_limits = pairs
            .flat_map(|(demand, &cost)| demand.limits.iter().map(move |_| (demand, cost.max(1))));
        labelled(self.demands, self.decision)
            .zip(of_limits)
            .filter(|((_, outcome), _)| !outcome.is_allowed())
            .map(|((label, outcome), (demand, cost))| Violation {
                demand,
                label,
                outcome,
                cost,
            })
    }
}

impl fmt::Display for Exceeded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hopeless =
            |violation: &Violation<'_>| violation.outcome.verdict() == Verdict::NeverFits;
        if let Some(violation) = self.violations().find(hopeless) {
            return write!(
                f,
                "The cost of this request, {}, is above the rate limit of {}: it can never fit, so do not retry it \
                 as it is",
                violation.cost,
                violation.outcome.limit(),
            );
        }
        f.write_str("Rate limit exceeded: ")?;
        for (index, violation) in self.violations().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{}", violation.outcome.limit())?;
        }
        Ok(())
    }
}

/// What the function of an attribute's `on_limited` answers.
pub fn answer<R: IntoResponse>(
    function: impl FnOnce(&Exceeded<'_>) -> R,
    exceeded: &Exceeded<'_>,
) -> Response {
    function(exceeded).into_response()
}
