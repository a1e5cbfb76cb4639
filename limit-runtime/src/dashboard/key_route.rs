//! `POST /key`: the budgets of one key under one policy.

use super::{
    inspect::{BudgetState, InspectedPolicy, policies},
    json_response::json,
    key_query::KeyQuery,
    key_type::check_type,
};
use crate::{
    limiter::Limiter, observe::OTHER_ROUTES, response::problem::problem, store::StoreError,
};
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde_json::json as value;

/// The most bytes of a body.
pub(super) const MAX_BODY: usize = 64 * 1024;

pub(super) async fn key(
    State(limiter): State<Limiter>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // Another type could be sent by a form on any page of the web.
    if !is_json(&parts.headers) {
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
    let policy = match check_type(&limiter, policy, &query.key, parts).await {
        Ok(()) => with_route(policy.clone(), &query, limiter.counts_in_memory()),
        Err(detail) => Err(detail),
    };
    let policy = match policy {
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
fn with_route(
    mut policy: InspectedPolicy,
    query: &KeyQuery,
    is_in_memory: bool,
) -> Result<InspectedPolicy, String> {
    let name = &policy.name;
    // In a remote store, other machines count as well.
    let are_all_known = is_in_memory && policy.are_routes_kept;
    match (&mut policy.routes, &query.route) {
        (None, Some(_)) => Err(format!(
            "`{name}` has one budget for all routes: leave out `route`"
        )),
        (Some(_), None) if !policy.are_routes_kept => Err(format!(
            "`{name}` has a budget for each route, and the limiter counts nothing \
             (`StatsLevel::Off`), so it does not know the routes: send a `route` such as \
             \"/predict/{{model}}\""
        )),
        (Some(known), None) if known.is_empty() => Err(format!(
            "`{name}` has a budget for each route, and no request to this process has met it yet: \
             send a `route` such as \"/predict/{{model}}\""
        )),
        (Some(known), Some(route)) if are_all_known && !contains(known, route) => {
            let known = match known.is_empty() {
                true => "none so far".to_owned(),
                false => format!("`{}`", known.join("`, `")),
            };
            Err(format!(
                "No request to `route` has met `{name}`, so it has no budget there. Routes with a \
                 budget: {known}"
            ))
        }
        (Some(known), Some(route)) => {
            *known = vec![route.clone()];
            Ok(policy)
        }
        (Some(_) | None, None) => Ok(policy),
    }
}

/// Whether a route may have a budget. Requests to no route have one, too, and routes beyond a bound
/// are recorded together.
fn contains(known: &[String], route: &str) -> bool {
    let mut known = known.iter();
    route.is_empty() || known.any(|known| known == route || known == OTHER_ROUTES)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        observe::known_budget::{KnownBudget, KnownKey, KnownLimits, KnownScope},
        store::Scope,
        window::Strategy,
    };

    fn found(known: &[&str], are_routes_kept: bool, route: Option<&str>) -> Result<(), String> {
        let scope = KnownScope::PerRoute(Scope::handler("app::predict", "everyone"));
        let (limits, key) = (KnownLimits::Unknown, KnownKey::Default);
        let policy = InspectedPolicy {
            name: "predict".to_owned(),
            key_label: "everyone",
            budget: KnownBudget::new(scope, Strategy::MovingWindow, limits, key),
            is_dry_run: false,
            routes: Some(known.iter().map(|&route| route.to_owned()).collect()),
            are_routes_kept,
        };
        let mut query = value!({ "policy": "predict", "type": "everyone" });
        if let Some(route) = route {
            query["route"] = route.into();
        }
        let query = KeyQuery::parse(query.to_string().as_bytes(), 64)?;
        with_route(policy, &query, true).map(|_| ())
    }

    #[test]
    fn a_limiter_that_keeps_no_routes_says_so_and_takes_any() {
        let error = found(&[], false, None).unwrap_err();
        assert!(error.contains("`StatsLevel::Off`"), "{error}");
        assert_eq!(found(&[], false, Some("/a")), Ok(()));
    }

    #[test]
    fn of_the_routes_that_are_kept_only_those_are_taken() {
        let error = found(&[], true, None).unwrap_err();
        assert!(error.contains("no request to this process"), "{error}");
        let error = found(&["/a", "/b"], true, Some("/c")).unwrap_err();
        assert!(error.contains("`/a`, `/b`"), "{error}");
        for (known, route) in [
            (&["/a"][..], Some("/a")),
            (&["/a"], None),
            // Requests to no route.
            (&["/a"], Some("")),
            (&["/a", OTHER_ROUTES], Some("/c")),
        ] {
            assert_eq!(found(known, true, route), Ok(()), "{known:?} {route:?}");
        }
    }
}
