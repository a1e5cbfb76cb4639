//! A rule is identified by what the author wrote, never by its position.

use crate::common::{get, request, send, status};
use axum::routing::MethodRouter;
use axum::{Router, routing};
use limit_runtime::{Limiter, RateLimit, client_ip, everyone, header, rate_limit};

/// What is left of each rule, which has one limit.
fn report(limit: &RateLimit) -> String {
    let outcomes = limit.outcomes();
    let left: Vec<_> = outcomes
        .iter()
        .map(|it| it.remaining().to_string())
        .collect();
    left.join(" ")
}

/// What is left of each policy, by its name.
async fn left(limiter: &Limiter, route: MethodRouter) -> Vec<(String, u32)> {
    let router = Router::new().route("/", route).layer(limiter.layer());
    let response = send(&router, crate::common::with(get(), "client", "a")).await;
    assert_eq!(response.status(), 200);
    let policies = response.headers()["ratelimit-policy"].to_str().unwrap();
    let names: Vec<_> = policies
        .split(", ")
        .map(|policy| policy.split('"').nth(1).unwrap().to_owned())
        .collect();
    let body = crate::common::text(response).await;
    let left = body.split(' ').map(|left| left.parse().unwrap());
    names.into_iter().zip(left).collect()
}

/// What is left of the policy of this name.
fn of(all: &[(String, u32)], name: &str) -> u32 {
    let found = all.iter().find(|(other, _)| other == name);
    assert!(found.is_some(), "{name}: {all:?}");
    found.unwrap().1
}

/// Handlers of one name in one module are one handler, as in two releases of a program.
mod releases {
    use super::{MethodRouter, RateLimit, everyone, header, rate_limit, report, routing};
    use limit_runtime::rate_limit as limited;

    pub(super) fn first() -> MethodRouter {
        #[rate_limit("20/day", name = "requests", key = everyone)]
        #[rate_limit("10_000/day", name = "tokens", key = everyone, cost = 100)]
        #[rate_limit("50/day", key = header("client"))]
        async fn complete(limit: RateLimit) -> String {
            report(&limit)
        }
        routing::get(complete)
    }

    pub(super) fn with_a_rule_on_top() -> MethodRouter {
        #[rate_limit("10/second", name = "rps", key = everyone)]
        #[rate_limit("20/day", name = "requests", key = everyone)]
        #[rate_limit("10_000/day", name = "tokens", key = everyone, cost = 100)]
        #[rate_limit("50/day", key = header("client"))]
        async fn complete(limit: RateLimit) -> String {
            report(&limit)
        }
        routing::get(complete)
    }

    pub(super) fn in_another_order() -> MethodRouter {
        #[rate_limit("50/day", key = limit_runtime::header("Client"))]
        #[rate_limit("20/day", name = "requests", key = everyone)]
        async fn complete(limit: RateLimit) -> String {
            report(&limit)
        }
        routing::get(complete)
    }

    pub(super) fn with_other_attributes() -> MethodRouter {
        #[rate_limit("10_000/day", name = "tokens", key = everyone, cost = 100)]
        #[tracing::instrument(skip_all)]
        #[limited("20/day", name = "requests", key = everyone)]
        #[cfg_attr(not(any()), rate_limit("50/day", key = header("client")))]
        /// Documented.
        async fn complete(limit: RateLimit) -> String {
            report(&limit)
        }
        routing::get(complete)
    }
}

#[tokio::test]
async fn a_release_that_adds_moves_or_removes_a_rule_keeps_the_budgets_of_the_others() {
    let (limiter, _clock) = Limiter::for_test();
    for _ in 0..2 {
        left(&limiter, releases::first()).await;
    }
    let all = left(&limiter, releases::first()).await;
    assert_eq!(of(&all, "requests"), 17);
    assert_eq!(of(&all, "tokens"), 9_700);
    assert_eq!(of(&all, "complete"), 47);

    let all = left(&limiter, releases::with_a_rule_on_top()).await;
    assert_eq!(of(&all, "rps"), 9);
    assert_eq!(of(&all, "requests"), 16);
    assert_eq!(of(&all, "tokens"), 9_600);
    assert_eq!(of(&all, "complete"), 46);

    let all = left(&limiter, releases::in_another_order()).await;
    assert_eq!(of(&all, "requests"), 15);
    assert_eq!(of(&all, "complete"), 45);

    let all = left(&limiter, releases::with_other_attributes()).await;
    assert_eq!(of(&all, "requests"), 14);
    assert_eq!(of(&all, "tokens"), 9_500);
    assert_eq!(of(&all, "complete"), 44);
}

#[tokio::test]
async fn attributes_between_ours_do_not_change_the_order_of_rules() {
    use limit_runtime::rate_limit as limited;
    #[rate_limit("1/minute", key = everyone)]
    #[tracing::instrument(skip_all)]
    #[rate_limit("2/minute", key = header("client"))]
    #[limited("3/minute", key = |_: &http::HeaderMap| 1)]
    #[cfg_attr(not(any()), rate_limit("4/minute", key = ()))]
    #[rate_limit("5/minute", key = client_ip)]
    async fn handler(limit: RateLimit) -> String {
        report(&limit)
    }
    let (limiter, _clock) = Limiter::for_test();
    let all = left(&limiter, routing::get(handler)).await;
    let names: Vec<_> = all
        .iter()
        .map(|(name, left)| (name.as_str(), left + 1))
        .collect();
    assert_eq!(
        names,
        [
            ("handler", 1),
            ("handler-2", 2),
            ("handler-3", 3),
            ("handler-4", 4),
            ("handler-5", 5)
        ]
    );
}

#[tokio::test]
async fn an_alias_route_is_no_bypass() {
    #[rate_limit("2/minute", key = everyone)]
    async fn complete() {}
    let (limiter, _clock) = Limiter::for_test();
    let router = Router::new()
        .route("/v1/completions", routing::post(complete))
        .route("/completions", routing::post(complete))
        .layer(limiter.layer());
    let post = |path: &str| status(&router, request("POST", path, ""));
    let path = ["/v1/completions", "/completions"];
    assert_eq!(post(path[0]).await, 200);
    assert_eq!(post(path[1]).await, 200);
    assert_eq!(post(path[0]).await, 429);
    assert_eq!(post(path[1]).await, 429);
}

#[tokio::test]
async fn labels_are_the_names_or_the_handlers_with_numbers_that_no_name_has() {
    #[rate_limit("1/minute", name = "predict-2", key = everyone)]
    #[rate_limit("2/minute", key = client_ip)]
    #[rate_limit("3/minute", key = header("client"))]
    #[rate_limit("4/minute", scope = "models", key = everyone)]
    #[rate_limit("5/minute", scope = "models", key = client_ip)]
    #[rate_limit("6/minute", scope = "models", key = client_ip, strategy = fixed_window)]
    async fn predict(limit: RateLimit) -> String {
        report(&limit)
    }
    let (limiter, _clock) = Limiter::for_test();
    let all = left(&limiter, routing::get(predict)).await;
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "predict-2",
            "predict",
            "predict-3",
            "models",
            "models-2",
            "models-3"
        ]
    );
}

#[tokio::test]
async fn another_crates_attribute_of_that_name_is_left_alone() {
    /// The attribute `rate_limit` of another crate: it takes what ours would refuse.
    mod other {
        pub(super) use tracing::instrument as rate_limit;
    }
    #[rate_limit("2/minute", key = everyone)]
    #[other::rate_limit(skip_all, name = "traced")]
    #[rate_limit("9/minute", name = "second", key = everyone)]
    async fn handler() {}
    crate::common::third_is_429(handler, get).await;
}

#[tokio::test]
async fn one_crate_under_two_paths_is_one() {
    mod server {
        pub(super) use limit_runtime as limiting;
    }
    #[server::limiting::rate_limit("3/minute", crate = ::limit_runtime)]
    #[server::limiting::rate_limit("2/minute", name = "second")]
    async fn handler() {}
    #[server::limiting::rate_limit("3/minute", key = server::limiting::everyone, crate = ::limit_runtime)]
    #[limit_runtime::rate_limit("2/minute", name = "second")]
    async fn mixed() {}
    crate::common::third_is_429(mixed, get).await;
    crate::common::third_is_429(handler, get).await;
}
