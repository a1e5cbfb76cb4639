//! What a response says about the rate limits on its request, for middleware around the handler.

use super::{
    spec::{Demand, Demands},
    standing::Standing,
};
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
    cost: u64,
    is_refused: bool,
    outcomes: SmallVec<[Outcome; 1]>,
}

impl RateLimitInfo {
    /// The info of a request that `demands` refused.
    pub(super) fn of_refused(
        demands: &Demands,
        costs: &[u64],
        decision: &Decision,
        retry_after: Option<Duration>,
    ) -> Self {
        let mut info = Self {
            policies: SmallVec::new(),
            retry_after,
        };
        let cost = |index: usize, _: &Demand| costs.get(index).copied().unwrap_or(1).max(1);
        info.add(demands, decision, cost);
        for policy in &mut info.policies {
            policy.is_refused = policy.outcomes.iter().any(|outcome| !outcome.is_allowed());
        }
        info
    }

    /// Adds the policies that admitted the request: of `innermost` and of the layers around it.
    pub(super) fn add_admitted(&mut self, innermost: Option<&Standing>) {
        for standing in Standing::outwards(innermost) {
            if let Some(decision) = standing.decision() {
                let cost = |index, _: &Demand| standing.consumed(index);
                self.add(&standing.demands, &decision, cost);
            }
        }
    }

    fn add(
        &mut self,
        demands: &Demands,
        decision: &Decision,
        cost: impl Fn(usize, &Demand) -> u64,
    ) {
        let mut outcomes = decision.outcomes().iter();
        let policies = demands.iter().enumerate().map(|(index, demand)| {
            let of_policy = outcomes.by_ref().take(demand.limits.len());
            PolicyInfo {
                name: demand.spec.name,
                key_label: demand.spec.key_label,
                cost: cost(index, demand),
                is_refused: false,
                outcomes: of_policy.copied().collect(),
            }
        });
        self.policies.extend(policies);
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
    pub fn cost(&self) -> u64 {
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
