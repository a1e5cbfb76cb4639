//! A handler that answers the limits of the client that asks.

use super::{
    inspect::{BudgetState, InspectedPolicy, policies},
    json_response::json,
};
use crate::{
    key::Key,
    limiter::Limiter,
    observe::known_budget::KnownKey,
    request::{built_in::is_built_in, default_key::default_key},
    response::problem::problem,
    store::StoreError,
};
use axum::response::Response;
use http::{StatusCode, request::Parts};
use serde_json::{Value, json as value};
use std::{future::Future, pin::Pin};

impl Limiter {
    /// A handler that answers, as JSON, what remains of the limits of the client that asks.
    ///
    /// It covers policies with constant limits, and with a key that needs only the request:
    /// [`client_ip`](crate::client_ip()), [`header`](crate::header()),
    /// [`bearer`](crate::bearer()), [`everyone`](crate::everyone()) and tuples of them. `others`
    /// has the names of all other policies: of those that have no key for this request, such as one
    /// by bearer token if there is none, and of those with `scope = route` that no request has met
    /// yet. Policies in dry run are not listed. The answer
    /// consumes nothing; limit the route like any other.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use limit_runtime::{Limiter, client_ip, rate_limit};
    ///
    /// #[rate_limit("10/minute", key = client_ip)]
    /// async fn predict() {}
    ///
    /// let limiter = Limiter::new();
    /// let app: Router = Router::new()
    ///     .route("/predict", get(predict))
    ///     .route("/my-limits", get(limiter.client_limits()))
    ///     .layer(limiter.layer());
    /// ```
    ///
    /// The response is described in [docs/OBSERVABILITY.md].
    ///
    /// [docs/OBSERVABILITY.md]:
    ///     https://docs.rs/crate/limit-runtime/latest/source/docs/OBSERVABILITY.md
    pub fn client_limits(&self) -> impl Fn(Parts) -> ClientLimits + Clone + Send + Sync + 'static {
        let limiter = self.clone();
        move |mut parts| {
            let limiter = limiter.clone();
            // `client_ip` has its settings from the limiter of the request.
            parts.extensions.insert(limiter.clone());
            Box::pin(async move { respond(&limiter, &mut parts).await })
        }
    }
}

/// The future of [`Limiter::client_limits`].
type ClientLimits = Pin<Box<dyn Future<Output = Response> + Send>>;

async fn respond(limiter: &Limiter, parts: &mut Parts) -> Response {
    let (mut known, mut others) = (Vec::new(), Vec::new());
    for policy in policies(limiter) {
        if policy.is_dry_run {
            continue;
        }
        match budgets(limiter, &policy, parts).await {
            // With a budget for each route, there is none before the first request.
            Ok(Some(budgets)) if budgets.is_empty() => others.push(policy.name),
            Ok(Some(budgets)) => {
                let budgets = budgets.iter();
                let entries = budgets.map(|budget| entry(&policy.name, budget));
                known.extend(entries);
            }
            Ok(None) => others.push(policy.name),
            Err(_) => {
                let detail = "The limits are not known now. Retry later";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return problem(status, "rate_limiter_unavailable", detail);
            }
        }
    }
    json(&value!({ "policies": known, "others": others }))
}

/// The budgets of the client. `None` if they cannot be known.
async fn budgets(
    limiter: &Limiter,
    policy: &InspectedPolicy,
    parts: &mut Parts,
) -> Result<Option<Vec<BudgetState>>, StoreError> {
    let is_known = !policy.budget.has_computed_scope() && policy.budget.constant_limits().is_some();
    let Some(key) = (if is_known {
        key(limiter, policy, parts).await
    } else {
        None
    }) else {
        return Ok(None);
    };
    policy.budgets(limiter, &key).await.map(Some)
}

/// The key of the client, if no function of the application computes it. `parts` have the limiter.
pub(super) async fn key(
    limiter: &Limiter,
    policy: &InspectedPolicy,
    parts: &mut Parts,
) -> Option<Key> {
    match &policy.budget.key {
        KnownKey::Unknown => None,
        KnownKey::Default if !limiter.has_cheap_default_key(is_built_in) => None,
        KnownKey::Default => default_key(parts).await.ok(),
        KnownKey::Attribute(key) => key(parts).ok(),
        KnownKey::Layer(key) => key(parts).ok(),
    }
}

fn entry(policy: &str, budget: &BudgetState) -> Value {
    value!({ "policy": policy, "route": budget.route, "limits": budget.limits })
}
