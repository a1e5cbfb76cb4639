//! A refused request as the application sees it when it responds in its own words.

use super::{
    label::Label,
    policy_view::{PolicyView, labels},
};
use crate::decision::{Decision, Outcome, Verdict, whole_seconds};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use limit_core::{Limit, Limits};
use smallvec::SmallVec;
use std::{
    fmt,
    num::NonZeroU32,
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
    policies: SmallVec<[PolicyView<'a>; 1]>,
    decision: &'a Decision,
    jitter: Duration,
    omits_retry_after: AtomicBool,
}

/// An `on_limited` function.
pub(crate) type OnLimited = dyn Fn(&Exceeded<'_>) -> Response + Send + Sync;

/// What [`Exceeded::limits`] returns if no policy has refused, which no check does.
static NO_LIMITS: Limits = Limits::single(Limit::per_second(NonZeroU32::MIN));

/// A limit that has refused the request.
struct Violation<'a> {
    /// The index of the policy.
    index: usize,
    policy: &'a PolicyView<'a>,
    label: Label,
    outcome: &'a Outcome,
    cost: u32,
}

impl<'a> Exceeded<'a> {
    /// `policies` are those that the decision is about, in its order.
    pub(crate) fn new(
        parts: &'a Parts,
        policies: impl Iterator<Item = PolicyView<'a>>,
        decision: &'a Decision,
        jitter: Duration,
    ) -> Self {
        Self {
            parts,
            policies: policies.collect(),
            decision,
            jitter,
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
    pub fn cost(&self) -> u32 {
        self.refused_by().map_or(1, |violation| violation.cost)
    }

    /// The name of the policy that refused the request: the one in the `RateLimit-Policy` header,
    /// without the window that is added to it there if the policy has several limits.
    #[must_use]
    pub fn policy(&self) -> &str {
        self.refused_by()
            .map_or("", |violation| violation.policy.name)
    }

    /// All limits of the policy that refused the request.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.refused_by()
            .map_or(&NO_LIMITS, |violation| violation.policy.limits)
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
            .map_or("", |violation| violation.policy.key_label)
    }

    /// The labels of the limits that refused.
    pub(super) fn violated(&self) -> impl Iterator<Item = Label> {
        self.violations().map(|violation| violation.label)
    }

    /// The limit that refused, if only one did and a wait helps. The response depends on nothing else.
    pub(super) fn only_violated(&self) -> Option<(Label, Limit)> {
        if self.decision.exceeds_capacity() {
            return None;
        }
        let mut labelled = self.labelled();
        let (label, outcome) = labelled.find(|(_, outcome)| !outcome.is_allowed())?;
        let is_only = labelled.all(|(_, outcome)| outcome.is_allowed());
        is_only.then(|| (label, outcome.limit()))
    }

    /// The indices of the policies that refused, once for each of their limits that did.
    pub(crate) fn refusing(&self) -> impl Iterator<Item = usize> {
        self.violations().map(|violation| violation.index)
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
        let of_limits = self
            .policies
            .iter()
            .enumerate()
            .flat_map(|(index, policy)| {
                let limits = policy.limits.iter();
                limits.map(move |_| (index, policy))
            });
        self.labelled()
            .zip(of_limits)
            .filter(|((_, outcome), _)| !outcome.is_allowed())
            .map(|((label, outcome), (index, policy))| Violation {
                index,
                policy,
                label,
                outcome,
                cost: policy.cost.max(1),
            })
    }

    fn labelled(&self) -> impl Iterator<Item = (Label, &Outcome)> {
        labels(self.policies.iter().copied()).zip(self.decision.outcomes())
    }
}

impl fmt::Display for Exceeded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exceeds_capacity =
            |violation: &Violation<'_>| violation.outcome.verdict() == Verdict::ExceedsCapacity;
        if let Some(violation) = self.violations().find(exceeds_capacity) {
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

/// Calls the function of an attribute's `on_limited`.
pub fn answer<R: IntoResponse>(
    function: impl FnOnce(&Exceeded<'_>) -> R,
    exceeded: &Exceeded<'_>,
) -> Response {
    function(exceeded).into_response()
}
