//! `POST /key`: the budgets of one key under one policy.

use super::{
    inspect::{BudgetState, InspectedPolicy, policies},
    json_response::json,
    key_query::KeyQuery,
};
use crate::{limiter::Limiter, response::problem::problem, store::StoreError};
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json as value;

/// The most bytes of a body.
pub(super) const MAX_BODY: usize = 64 * 1024;

pub(super) async fn key(
    State(limiter): State<Limiter>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // Another type could be sent by a form on any page of the web.
    if !is_json(&headers) {
        let detail = "Send the header `Content-Type: application/json`";
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_json", detail);
    }
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let detail = format!("{}. At most {MAX_BODY} bytes", error.body_text());
            return problem(error.status(), "invalid_body", &detail);
        }
    };
    let query = match KeyQuery::parse(&body, limiter.ipv6_prefix()) {
        Ok(query) => query,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, "invalid_query", &detail),
    };
    let policies = policies(&limiter);
    let Some(policy) = policies.iter().find(|policy| policy.name == query.policy) else {
        let names: Vec<_> = policies.iter().map(|policy| &*policy.name).collect();
        let names = names.join("`, `");
        let detail = format!("There is no policy of this name. Known: `{names}`");
        return problem(StatusCode::NOT_FOUND, "no_such_policy", &detail);
    };
    let policy = match with_route(policy.clone(), &query) {
        Ok(policy) => policy,
        Err(detail) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_query", &detail),
    };
    match answer(&limiter, &policy, &query).await {
        Ok((budgets, cleared)) => json(&value!({
            "policy": policy.name,
            "key": limiter.observer().digest(&query.key),
            "is_dry_run": policy.is_dry_run,
            "cleared": cleared,
            "budgets": budgets,
        })),
        Err(error) => {
            let detail = format!("The store did not answer: {error}");
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "rate_limiter_unavailable",
                &detail,
            )
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The policy on the route that is asked for.
fn with_route(mut policy: InspectedPolicy, query: &KeyQuery) -> Result<InspectedPolicy, String> {
    let name = &policy.name;
    // The address as a text has no budget, and would seem to be unused.
    if policy.key_label == "client_ip" && query.is_text {
        return Err(format!(
            "`{name}` counts by client address, and `key` is a text: send \"type\": \"ip\""
        ));
    }
    match (&mut policy.routes, &query.route) {
        (None, Some(_)) => Err(format!(
            "`{name}` has one budget for all routes: leave out `route`"
        )),
        (Some(known), None) if known.is_empty() => Err(format!(
            "`{name}` has a budget for each route, and no request has met it yet: send a `route` \
             such as \"/predict/{{model}}\""
        )),
        (Some(known), Some(route)) => {
            *known = vec![route.clone()];
            Ok(policy)
        }
        (Some(_) | None, None) => Ok(policy),
    }
}

/// The budgets, after they have been cleared if that is asked for.
async fn answer(
    limiter: &Limiter,
    policy: &InspectedPolicy,
    query: &KeyQuery,
) -> Result<(Vec<BudgetState>, Option<u64>), StoreError> {
    let cleared = match query.clear {
        true => Some(policy.clear(limiter, &query.key).await?),
        false => None,
    };
    let budgets = policy.budgets(limiter, &query.key).await?;
    Ok((budgets, cleared))
}
