//! A response extension that describes the rate limits on the request.

use super::{permit_view::PermitView, policy_view::PolicyView};
use crate::decision::{Decision, Outcome};
use limit_core::Unit;
use smallvec::SmallVec;
use std::time::Duration;

/// The state of the rate limits on a request: an extension of its response.
///
/// Middleware around the handler can read it to log or count refused requests. Responses to
/// requests that exceed their limits always have it. Other responses have it with
/// [`response_info(true)`](crate::LimiterBuilder::response_info). It contains no key, so it is safe
/// to log.
///
/// ```
/// use axum::{Router, middleware::map_response, response::Response, routing::get};
/// use limit_runtime::{RateLimitInfo, rate_limit};
///
/// #[rate_limit("10/minute")]
/// async fn predict() {}
///
/// async fn log_refusals(response: Response) -> Response {
///     if let Some(info) = response.extensions().get::<RateLimitInfo>()
///         && let Some(policy) = info.refused_by()
///     {
///         tracing::info!(policy = policy.name(), key = policy.key_label(), "rate limited");
///     }
///     response
/// }
///
/// let app: Router = Router::new()
///     .route("/predict", get(predict))
///     .layer(map_response(log_refusals));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RateLimitInfo {
    policies: SmallVec<[PolicyInfo; 1]>,
    retry_after: Option<Duration>,
}

/// The state of one policy on a request: a part of [`RateLimitInfo`].
///
/// ```
/// use limit_runtime::PolicyInfo;
///
/// /// The fewest units that remain under one of the limits of a policy.
/// fn remaining(policy: &PolicyInfo) -> Option<u64> {
///     let outcomes = policy.outcomes().iter();
///     outcomes.map(|outcome| outcome.remaining().into()).min()
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyInfo {
    name: &'static str,
    key_label: &'static str,
    unit: Unit,
    cost: u64,
    is_refused: bool,
    concurrency: Option<u64>,
    outcomes: SmallVec<[Outcome; 1]>,
}

impl RateLimitInfo {
    /// Describes a request that at least one of these policies refused. `policies` must be those of
    /// the decision, in its order.
    pub(crate) fn of_refused<'a>(
        policies: impl Iterator<Item = PolicyView<'a>>,
        decision: &Decision,
        retry_after: Option<Duration>,
    ) -> Self {
        let mut info = Self {
            policies: SmallVec::new(),
            retry_after,
        };
        info.add(policies, decision);
        for policy in &mut info.policies {
            policy.cost = policy.cost.max(1);
            policy.is_refused = policy.outcomes.iter().any(|outcome| !outcome.is_allowed());
        }
        info
    }

    /// Describes a request that this concurrency limit refused.
    pub(crate) fn of_refused_permit(permit: PermitView) -> Self {
        let policy = PolicyInfo {
            name: permit.name,
            key_label: permit.key_label,
            cost: 1,
            is_refused: true,
            concurrency: Some(permit.max.get()),
            unit: Unit::REQUESTS,
            outcomes: SmallVec::new(),
        };
        Self {
            policies: std::iter::once(policy).collect(),
            retry_after: None,
        }
    }

    /// Adds policies that admitted the request. They must be those of the decision, in its order.
    pub(crate) fn add<'a>(
        &mut self,
        policies: impl Iterator<Item = PolicyView<'a>>,
        decision: &Decision,
    ) {
        let mut outcomes = decision.outcomes().iter();
        self.policies.extend(policies.map(|policy| {
            PolicyInfo {
                name: policy.name,
                key_label: policy.key_label,
                unit: policy.limits.unit(),
                cost: policy.cost,
                is_refused: false,
                concurrency: None,
                outcomes: outcomes
                    .by_ref()
                    .take(policy.limits.len())
                    .copied()
                    .collect(),
            }
        }));
    }

    /// Whether the request was refused because it exceeded a limit.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused_by().is_some()
    }

    /// The policy that refused the request. If several did, the one with the longest wait. `None`
    /// if the request was admitted.
    #[must_use]
    pub fn refused_by(&self) -> Option<&PolicyInfo> {
        let refused = self.policies.iter().filter(|policy| policy.is_refused);
        // `max_by_key` returns the last of equal elements. Reversed, it is the first declared.
        refused.rev().max_by_key(|policy| policy.wait_micros())
    }

    /// How long a refused client has to wait, including jitter. `None` if the request was admitted,
    /// if its cost exceeds the capacity of a limit, or if a concurrency limit refused it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// All policies on the request: first those of the handler, in the order of its attributes,
    /// then those of the layers, from the innermost to the outermost.
    #[must_use]
    pub fn policies(&self) -> &[PolicyInfo] {
        &self.policies
    }
}

impl PolicyInfo {
    /// The name of the policy. The header `RateLimit-Policy` adds the window if the policy has
    /// several limits.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The key expression in the source code: `client_ip`, `header("x-api-key")`. It never contains
    /// the key itself.
    #[must_use]
    pub fn key_label(&self) -> &str {
        self.key_label
    }

    /// What the limits of the policy count. Compare the units that remain only with those of
    /// policies of the same unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The units that the request consumed, or that it requested if it was refused.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether this policy refused the request.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The number of requests that may be in flight, if that refused this one. The policy's other
    /// limits were not checked then, so there are no [outcomes](Self::outcomes).
    #[must_use]
    pub fn concurrency(&self) -> Option<u64> {
        self.concurrency
    }

    /// The outcome of each limit of the policy, in the order of its limits.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The longest wait of the policy's limits, in microseconds.
    fn wait_micros(&self) -> u64 {
        let waits = self.outcomes.iter().map(Outcome::retry_after_micros);
        waits.max().unwrap_or_default()
    }
}
