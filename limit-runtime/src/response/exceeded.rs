//! The refused request that an `on_limited` function responds to.

use super::{
    permit_view::PermitView,
    policy_view::{PolicyView, labels},
};
use crate::{
    decision::{Decision, Outcome, Verdict, whole_seconds},
    extract::limits::{LimitsRef, LiteralLimits},
};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use limit_core::{
    Limit, Limits, Unit,
    header_text::Label,
    in_words::{InWords, UnitsInWords},
};
use smallvec::SmallVec;
use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// A request that exceeds its limits: the argument of
/// [`on_limited`](crate::LimiterBuilder::on_limited) functions.
///
/// `Display` is the message of the default response, such as `Rate limit exceeded: 10 per minute`,
/// or `Rate limit exceeded: 100,000 tokens per minute`.
///
/// If several policies refuse the request, [`policy`](Self::policy), [`limits`](Self::limits),
/// [`key_label`](Self::key_label) and [`cost`](Self::cost) describe the policy with the longest
/// wait. If waits are equal, they describe the policy that is declared first.
///
/// ```
/// use axum::{Json, http::StatusCode};
/// use limit_runtime::{Exceeded, rate_limit};
///
/// fn slow_down(exceeded: &Exceeded<'_>) -> (StatusCode, Json<String>) {
///     let path = exceeded.parts().uri.path();
///     let message = format!("{path} allows {} ({})", exceeded.limits(), exceeded.policy());
///     (StatusCode::TOO_MANY_REQUESTS, Json(message))
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
    policies: SmallVec<[PolicyView<'a>; 1]>,
    /// The concurrency limit that refused the request. The others were not checked then.
    permit: Option<PermitView>,
    decision: &'a Decision,
    /// How long the client has to wait, including the jitter.
    wait: Option<Duration>,
    omits_retry_after: AtomicBool,
}

/// An `on_limited` function, with its return value converted to a response.
pub(crate) type OnLimited = dyn Fn(&Exceeded<'_>) -> Response + Send + Sync;

/// Placeholder for [`Exceeded::limits`] if no limit refused, but a concurrency limit.
static NO_LIMITS: Limits = Limits::single(Limit::per_second(NonZeroU64::MIN));

/// A limit that refused the request.
struct Violation<'a> {
    /// The index of the policy.
    index: usize,
    /// The index of the limit in the policy.
    limit_index: usize,
    policy: &'a PolicyView<'a>,
    label: Label<'static>,
    outcome: &'a Outcome,
    cost: u64,
}

impl Violation<'_> {
    fn unit(&self) -> Unit {
        self.policy.limits.unit()
    }

    /// The limit for the message.
    fn limit(&self) -> InWords {
        InWords {
            limit: self.outcome.limit(),
            unit: self.unit(),
        }
    }
}

impl<'a> Exceeded<'a> {
    /// `policies` must be those of the decision, in its order.
    pub(crate) fn new(
        parts: &'a Parts,
        policies: impl Iterator<Item = PolicyView<'a>>,
        decision: &'a Decision,
        jitter: Duration,
    ) -> Self {
        Self {
            parts,
            policies: policies.collect(),
            permit: None,
            decision,
            wait: decision
                .retry_after()
                .map(|wait| wait.saturating_add(jitter)),
            omits_retry_after: AtomicBool::new(false),
        }
    }

    /// A request that a concurrency limit refused. `policies` were not checked, and `decision` is
    /// empty.
    pub(crate) fn of_permit(
        parts: &'a Parts,
        policies: impl Iterator<Item = PolicyView<'a>>,
        decision: &'a Decision,
        permit: PermitView,
    ) -> Self {
        Self {
            permit: Some(permit),
            ..Self::new(parts, policies, decision, Duration::ZERO)
        }
    }

    /// The number of requests that may be in flight, if that is what refused this one.
    ///
    /// No other limit was checked then: [`decision`](Self::decision) is empty, and
    /// [`retry_after`](Self::retry_after) is `None`, because it is not known when another request
    /// ends.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use limit_runtime::{Exceeded, bearer, rate_limit};
    ///
    /// fn slow_down(exceeded: &Exceeded<'_>) -> (StatusCode, String) {
    ///     let message = match exceeded.concurrency() {
    ///         Some(max) => format!("Wait for one of your {max} requests to end"),
    ///         None => format!("At most {}", exceeded.limits()),
    ///     };
    ///     (StatusCode::TOO_MANY_REQUESTS, message)
    /// }
    ///
    /// #[rate_limit("10/minute", concurrency = 2, key = bearer, on_limited = slow_down)]
    /// async fn predict() {}
    /// ```
    #[must_use]
    pub fn concurrency(&self) -> Option<u64> {
        self.permit.map(|permit| permit.max.get())
    }

    /// The concurrency limit that refused the request.
    pub(super) fn permit(&self) -> Option<PermitView> {
        self.permit
    }

    /// The head of the refused request: method, URI, headers and extensions.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        self.parts
    }

    /// The policies on the request.
    pub(crate) fn policies(&self) -> impl Iterator<Item = PolicyView<'a>> {
        self.policies.iter().copied()
    }

    /// The outcome of every limit on the request, including those that did not refuse it.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        self.decision
    }

    /// How long the client has to wait, including the
    /// [jitter](crate::LimiterBuilder::retry_jitter). `None` if the cost exceeds the capacity of a
    /// limit, so that the request can never be admitted, and for a
    /// [concurrency limit](Self::concurrency).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.wait
    }

    /// The wait in whole seconds, rounded up and never 0, as in `Retry-After`.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after().map(|wait| whole_seconds(wait).max(1))
    }

    /// Omits `Retry-After` and `retry-after-ms` from the response.
    ///
    /// A `Retry-After` that the `on_limited` function sets itself stays.
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

    /// The cost of the request in units of the policy that refused it. 1 if the cost depends on
    /// arguments that have not been extracted.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.refused_by().map_or(1, |violation| violation.cost)
    }

    /// The name of the policy that refused the request.
    ///
    /// For a policy with several limits, the header `RateLimit-Policy` adds the window to this
    /// name; see [`violated_policies`](Self::violated_policies).
    #[must_use]
    pub fn policy(&self) -> &str {
        if let Some(permit) = self.permit {
            return permit.name;
        }
        self.refused_by()
            .map_or("", |violation| violation.policy.name)
    }

    /// All limits of the policy that refused the request, with their unit. Without a meaning for a
    /// policy that has nothing but a [concurrency limit](Self::concurrency).
    #[must_use]
    pub fn limits(&self) -> &Limits {
        if let Some(permit) = self.permit {
            let mut policies = self.policies.iter();
            let policy = policies.find(|policy| policy.name == permit.name);
            return policy.map_or(&NO_LIMITS, |policy| &**policy.limits);
        }
        self.refused_by()
            .map_or(&NO_LIMITS, |violation| &**violation.policy.limits)
    }

    /// The limits that refused the request, named as in the header `RateLimit-Policy`: `predict`,
    /// or `predict-60s` if the policy has several limits. A concurrency limit beside others is
    /// `predict-concurrent`.
    pub fn violated_policies(&self) -> impl Iterator<Item = String> {
        let of_permit = self.permit.map(PermitView::label);
        let of_limits = self.violated_labels().map(|label| label.to_string());
        of_limits.chain(of_permit)
    }

    /// The key expression of the policy that refused the request, as in the source code:
    /// `client_ip`, `header("x-api-key")`. It never contains the key itself.
    #[must_use]
    pub fn key_label(&self) -> &'static str {
        if let Some(permit) = self.permit {
            return permit.key_label;
        }
        self.refused_by()
            .map_or("", |violation| violation.policy.key_label)
    }

    /// The labels of the limits that refused the request.
    pub(super) fn violated_labels(&self) -> impl Iterator<Item = Label<'static>> {
        self.violations().map(|violation| violation.label)
    }

    /// The literal limits and the index of the limit that refused the request, if only one did and
    /// the request can be admitted later. The body of the response then depends on nothing else.
    pub(super) fn single_literal_violation(&self) -> Option<(&'static LiteralLimits, usize)> {
        if self.decision.exceeds_capacity() {
            return None;
        }
        let mut violations = self.violations();
        match (violations.next()?, violations.next()) {
            (violation, None) => match violation.policy.limits {
                LimitsRef::Literal(limits) => Some((limits, violation.limit_index)),
                LimitsRef::Own(_) => None,
            },
            (_, Some(_)) => None,
        }
    }

    /// The indices of the policies that refused the request. A policy occurs once per limit that
    /// refused.
    pub(crate) fn refusing_policies(&self) -> impl Iterator<Item = usize> {
        self.violations().map(|violation| violation.index)
    }

    /// The violation with the longest wait. If waits are equal, the first.
    fn refused_by(&self) -> Option<Violation<'_>> {
        self.violations().reduce(|longest, other| {
            let is_longer =
                other.outcome.retry_after_micros() > longest.outcome.retry_after_micros();
            if is_longer { other } else { longest }
        })
    }

    /// The limits that refused the request, in the order of the decision.
    fn violations(&self) -> impl Iterator<Item = Violation<'_>> {
        let policy_of_each_limit = self
            .policies
            .iter()
            .enumerate()
            .flat_map(|(index, policy)| {
                let limits = 0..policy.limits.len();
                limits.map(move |limit_index| (index, limit_index, policy))
            });
        self.labelled_outcomes()
            .zip(policy_of_each_limit)
            .filter(|((_, outcome), _)| !outcome.is_allowed())
            .map(
                |((label, outcome), (index, limit_index, policy))| Violation {
                    index,
                    limit_index,
                    policy,
                    label,
                    outcome,
                    cost: policy.cost.max(1),
                },
            )
    }

    /// Every outcome with the label of its limit.
    fn labelled_outcomes(&self) -> impl Iterator<Item = (Label<'static>, &Outcome)> {
        labels(self.policies.iter().copied()).zip(self.decision.outcomes())
    }
}

impl fmt::Display for Exceeded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(permit) = self.permit {
            return write!(
                f,
                "Concurrency limit exceeded: {permit}; retry when one of them has ended"
            );
        }
        let exceeds_capacity =
            |violation: &Violation<'_>| violation.outcome.verdict() == Verdict::ExceedsCapacity;
        if let Some(violation) = self.violations().find(exceeds_capacity) {
            let cost = UnitsInWords {
                count: violation.cost,
                unit: violation.unit(),
            };
            write!(f, "The cost of this request, {cost}, is above ")?;
            let capacity = violation.outcome.capacity();
            if capacity < violation.outcome.limit().count() {
                let burst = UnitsInWords {
                    count: capacity.get(),
                    unit: violation.unit(),
                };
                write!(f, "the burst of {burst} under ")?;
            }
            return write!(
                f,
                "the rate limit of {}: it can never fit, so reduce the cost before a retry",
                violation.limit(),
            );
        }
        f.write_str("Rate limit exceeded: ")?;
        for (index, violation) in self.violations().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{}", violation.limit())?;
        }
        Ok(())
    }
}

/// Calls the `on_limited` function of an attribute.
pub fn call_on_limited<R: IntoResponse>(
    function: impl FnOnce(&Exceeded<'_>) -> R,
    exceeded: &Exceeded<'_>,
) -> Response {
    function(exceeded).into_response()
}
