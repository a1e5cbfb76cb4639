//! Several attributes on one handler, shared scopes, names.

use crate::common::{get, limited, request, routed, send, status, with};
use axum::{Router, routing};
use http::HeaderMap;
use limit_runtime::{Limiter, client_ip, everyone, header, rate_limit};
use std::time::Duration;

async fn a_hundred_shared_and_fifty_each(router: Router) {
    let router = limited(router);
    let by = |client: &str| with(get(), "client", client);
    let mut let_through = 0;
    for _ in 0..100 {
        let_through += u32::from(status(&router, by("a")).await == 200);
    }
    assert_eq!(let_through, 50);
    for _ in 0..50 {
        assert_eq!(status(&router, by("b")).await, 200);
    }
    assert_eq!(status(&router, by("b")).await, 429);
    assert_eq!(status(&router, by("c")).await, 429);
}

#[tokio::test]
async fn are_one_check_in_any_order() {
    #[rate_limit("100/minute", key = everyone)]
    #[rate_limit("50/minute", key = header("client"))]
    async fn handler() {}
    a_hundred_shared_and_fifty_each(Router::new().route("/", routing::get(handler))).await;

    #[rate_limit("50/minute", key = header("client"))]
    #[rate_limit("100/minute", key = everyone)]
    async fn reversed() {}
    a_hundred_shared_and_fifty_each(Router::new().route("/", routing::get(reversed))).await;
}

/// Three a minute and one a second: what a second refuses takes nothing from the minute.
#[tokio::test]
async fn when_one_rule_refuses_the_others_consume_nothing_in_any_order() {
    #[rate_limit("3/minute; 1/second", key = everyone)]
    async fn in_one() {}
    #[rate_limit("1/second; 3/minute", key = everyone)]
    async fn in_one_reversed() {}
    #[rate_limit("3/minute", key = everyone)]
    #[rate_limit("1/second", key = everyone, name = "second")]
    async fn in_two() {}
    #[rate_limit("1/second", key = everyone, name = "second")]
    #[rate_limit("3/minute", key = everyone)]
    async fn in_two_reversed() {}

    for route in [
        routing::get(in_one),
        routing::get(in_one_reversed),
        routing::get(in_two),
        routing::get(in_two_reversed),
    ] {
        let (limiter, clock) = Limiter::for_test();
        let router = Router::new().route("/", route).layer(limiter.layer());
        for expected in [200, 429, 429] {
            assert_eq!(status(&router, get()).await, expected);
        }
        // Two are left for the minute.
        for expected in [200, 200, 429] {
            clock.advance(Duration::from_millis(1050));
            assert_eq!(status(&router, get()).await, expected);
        }
    }
}

#[tokio::test]
async fn of_the_same_key_are_several_budgets() {
    #[rate_limit("3/minute")]
    #[rate_limit("2/second", name = "second")]
    async fn handler() {}
    crate::common::third_of_router_is_429(&routed(handler), get).await;
}

#[tokio::test]
async fn eight_are_fine() {
    #[rate_limit("9/minute")]
    #[rate_limit("8/minute", name = "8")]
    #[rate_limit("7/minute", name = "7")]
    #[rate_limit("6/minute", name = "6")]
    #[rate_limit("5/minute", name = "5")]
    #[rate_limit("4/minute", name = "4")]
    #[rate_limit("3/minute", name = "3")]
    #[rate_limit("2/minute", name = "2")]
    async fn handler() {}
    crate::common::third_of_router_is_429(&routed(handler), get).await;
}

#[tokio::test]
async fn under_another_name() {
    use limit_runtime::rate_limit as limit;
    #[limit("9/minute")]
    #[rate_limit("5/minute", key = everyone)]
    #[limit("2/minute", name = "two")]
    async fn handler() {}
    crate::common::third_of_router_is_429(&routed(handler), get).await;
}

#[tokio::test]
async fn a_scope_is_shared_by_handlers() {
    #[rate_limit("5/minute", scope = "models", key = client_ip)]
    async fn first() {}
    #[rate_limit("5/minute", scope = "models", key = client_ip)]
    async fn second(_: HeaderMap) {}
    let router = Router::new()
        .route("/1", routing::get(first))
        .route("/2", routing::get(second));
    let router = limited(router);
    for n in 0..10 {
        let expected = if n < 5 { 200 } else { 429 };
        assert_eq!(status(&router, request("GET", "/1", "")).await, expected);
    }
    assert_eq!(status(&router, request("GET", "/2", "")).await, 429);
}

#[tokio::test]
async fn the_name_is_in_the_headers() {
    #[rate_limit("5/minute", name = "the models")]
    async fn named() {}
    #[rate_limit("5/minute")]
    async fn r#match() {}
    let policy = async |router: &Router| {
        let response = send(router, get()).await;
        response.headers()["ratelimit-policy"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(policy(&routed(named)).await, "\"the models\";q=5;w=60");
    assert_eq!(policy(&routed(r#match)).await, "\"match\";q=5;w=60");
}

#[tokio::test]
async fn every_strategy() {
    #[rate_limit("2/minute", strategy = moving_window)]
    async fn moving() {}
    #[rate_limit("2/minute", strategy = fixed_window)]
    async fn fixed() {}
    #[rate_limit("2/minute", strategy = sliding_window)]
    async fn sliding() {}
    #[rate_limit("60/minute", strategy = gcra(burst = 2))]
    async fn gcra() {}
    crate::common::third_is_429(moving, get).await;
    crate::common::third_is_429(fixed, get).await;
    crate::common::third_is_429(sliding, get).await;
    crate::common::third_is_429(gcra, get).await;
}
