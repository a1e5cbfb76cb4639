//! What a limiter counts and reports, dry runs, and the list of limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

#[path = "../http/app.rs"]
#[allow(dead_code, reason = "the tests in `http` use all of it")]
mod app;
mod details;
mod dry_run;
mod dry_run_options;
mod events;
mod layers;
mod policies;
mod routes;
mod stats;

use limit_runtime::{
    Limiter,
    observe::{EndpointStats, PolicyCounts, PolicyStats},
};

/// What a limiter has counted for one policy.
pub(crate) fn policy(limiter: &Limiter, name: &str) -> PolicyStats {
    let policies = limiter.stats().policies;
    let mut found = policies.into_iter().filter(|policy| policy.policy == name);
    let policy = found
        .next()
        .unwrap_or_else(|| panic!("there is no policy `{name}`"));
    assert!(found.next().is_none(), "two policies are named `{name}`");
    policy
}

pub(crate) fn requests(limiter: &Limiter, name: &str) -> PolicyCounts {
    policy(limiter, name).requests
}

/// All requests to a route, and the refused ones.
pub(crate) fn endpoint(limiter: &Limiter, route: &str) -> (u64, u64) {
    let stats = limiter.stats();
    let endpoint = stats.endpoints.get(route).copied();
    let EndpointStats { total, limited, .. } = endpoint.unwrap_or_default();
    (total, limited)
}
