//! What the limits may be.

use crate::common::{get, routed, send, status, third_is_429, with};
use axum::extract::Query;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use limit_runtime::{Limits, everyone, limits, rate_limit};
use std::collections::HashMap;
use std::sync::LazyLock;

const TWO: Limits = limits!("2/minute");
static TWO_STATIC: Limits = limits!("2/minute");
static CONFIGURED: LazyLock<Limits> = LazyLock::new(|| "2/minute".parse().unwrap());

struct Config;
impl Config {
    const LIMITS: &'static Limits = &TWO;
}

fn plain() -> Limits {
    TWO
}
fn borrowed(_: &HeaderMap) -> &'static Limits {
    &TWO_STATIC
}
async fn later(_: &Parts, _: HeaderMap) -> Result<Option<Limits>, StatusCode> {
    tokio::task::yield_now().await;
    Ok(Some(TWO))
}

macro_rules! limits {
    ($test:ident, $($limits:tt)*) => {
        #[tokio::test]
        async fn $test() {
            #[rate_limit($($limits)*)]
            async fn handler() {}
            third_is_429(handler, get).await;
        }
    };
    ($text:literal) => { limit_runtime::limits!($text) };
}

limits!(a_literal, "2/minute");
limits!(a_raw_literal, r"2 per minute");
limits!(several, "2/second; 2000/hour", key = everyone);
limits!(a_constant, TWO);
limits!(a_static, TWO_STATIC);
limits!(a_reference, &TWO_STATIC);
limits!(an_associated_constant, Config::LIMITS);
limits!(configured, *CONFIGURED);
limits!(the_macro, limit_runtime::limits!("2/minute"));
limits!(a_function, plain);
limits!(a_function_that_borrows, borrowed);
limits!(an_async_function, later);
limits!(a_closure, |_: HeaderMap| TWO);
limits!(a_call, plain());
limits!(in_parentheses, ("2/minute"));
limits!(a_trailing_comma, "2/minute",);

fn tier(headers: &HeaderMap) -> Result<Option<Limits>, StatusCode> {
    match headers.get("tier").map(|tier| tier.as_bytes()) {
        None => Ok(Some(limit_runtime::limits!("1/minute"))),
        Some(b"pro") => Ok(Some(TWO)),
        Some(b"internal") => Ok(None),
        Some(_) => Err(StatusCode::FORBIDDEN),
    }
}

#[tokio::test]
async fn tiers() {
    #[rate_limit(tier, key = |headers: &HeaderMap| headers.get("tier").cloned().unwrap_or(http::HeaderValue::from_static("")))]
    async fn handler() {}
    let router = routed(handler);
    assert_eq!(status(&router, get()).await, 200);
    assert_eq!(status(&router, get()).await, 429);
    third_of(&router, "pro").await;
    for _ in 0..5 {
        let response = send(&router, with(get(), "tier", "internal")).await;
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("ratelimit"));
    }
    assert_eq!(status(&router, with(get(), "tier", "x")).await, 403);
}

async fn third_of(router: &axum::Router, tier: &str) {
    crate::common::third_of_router_is_429(router, || with(get(), "tier", tier)).await;
}

#[tokio::test]
async fn a_raised_limit_keeps_its_history() {
    type Text = Query<HashMap<String, String>>;
    #[rate_limit(|Query(query): Text| query["limits"].parse::<Limits>().map_err(|_| StatusCode::BAD_REQUEST))]
    async fn handler() {}
    let router = routed(handler);
    let at = |limits: &str| crate::common::request("GET", &format!("/?limits={limits}"), "");
    assert_eq!(status(&router, at("1/minute")).await, 200);
    assert_eq!(status(&router, at("1/minute")).await, 429);
    assert_eq!(status(&router, at("2/minute")).await, 200);
    assert_eq!(status(&router, at("2/minute")).await, 429);
    assert_eq!(status(&router, at("x")).await, 400);
}
