//! What a response says about the rate limits on its request, for middleware around the handler.

use super::policy_view::PolicyView;
use crate::decision::{Decision, Outcome};
use smallvec::SmallVec;
use std::time::Duration;

/// How the rate limits on a request stand: an extension of its response.
///
/// Middleware outside of the handler reads it to log or count refused requests. Responses to
/// requests over their limits always carry it; other responses do with
/// [`response_info(true)`](crate::LimiterBuilder::response_info). It holds no key, so it is safe to
/// log.
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

/// How one policy stands: a part of [`RateLimitInfo`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyInfo {
    name: &'static str,
    key_label: &'static str,
    cost: u32,
    is_refused: bool,
    outcomes: SmallVec<[Outcome; 1]>,
}

impl RateLimitInfo {
    /// Describes a request that these policies refused.
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

    /// Adds policies that admitted the request.
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
                cost: policy.cost,
                is_refused: false,
                outcomes: outcomes
                    .by_ref()
                    .take(policy.limits.len())
                    .copied()
                    .collect(),
            }
        }));
    }

    /// Whether the request was refused because it was over a limit.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused_by().is_some()
    }

    /// The policy that refused the request; of several, the one with the longest wait. `None` if
    /// the request was admitted.
    #[must_use]
    pub fn refused_by(&self) -> Option<&PolicyInfo> {
        let refused = self.policies.iter().filter(|policy| policy.is_refused);
        // Of equal waits, `max_by_key` finds the last, and the first declared is meant.
        refused.rev().max_by_key(|policy| policy.wait_micros())
    }

    /// How long a refused client has to wait, as it was told. `None` if it was admitted, or if the
    /// cost of its request exceeds a limit.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// All policies on the request: those of the handler in the order of its attributes, then those
    /// of layers, from the innermost to the outermost.
    #[must_use]
    pub fn policies(&self) -> &[PolicyInfo] {
        &self.policies
    }
}

impl PolicyInfo {
    /// The name of the policy, as in the `RateLimit-Policy` header.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// What the policy counts by, as written in the source: `client_ip`, `header("x-api-key")`.
    #[must_use]
    pub fn key_label(&self) -> &str {
        self.key_label
    }

    /// The units that the request consumed, or that it asked for if it was refused.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether this policy refused the request.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The state of each limit of the policy after the check.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    fn wait_micros(&self) -> u64 {
        let waits = self.outcomes.iter().map(Outcome::retry_after_micros);
        waits.max().unwrap_or_default()
    }
}
