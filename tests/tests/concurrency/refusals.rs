//! What clients and `on_limited` see of a request that has got no permit.

use axum::{Router, body::Body, response::Response, routing::get};
use http::{Request, StatusCode};
use limit_runtime::{
    Exceeded, HeaderStyle, Limiter, LimiterBuilder, RateLimitInfo, bearer, everyone,
    observe::PolicyStats, rate_limit,
};
use serde_json::Value;
use test_support::requests::text;
use tower::ServiceExt;

const MAX: u64 = 2;

#[rate_limit("10/minute", concurrency = MAX, key = bearer)]
async fn both() -> &'static str {
    "text"
}

#[rate_limit(concurrency = 1, key = everyone)]
async fn alone() -> &'static str {
    "text"
}

#[rate_limit("1/minute", concurrency = 2, key = everyone)]
async fn scarce() -> &'static str {
    "text"
}

#[rate_limit("10/minute", key = everyone)]
#[rate_limit(concurrency = 1, key = everyone)]
async fn beside() -> &'static str {
    "text"
}

fn describe(exceeded: &Exceeded<'_>) -> (StatusCode, String) {
    let violated: Vec<_> = exceeded.violated_policies().collect();
    let text = format!(
        "{:?} {} {} {:?} {:?} {}",
        exceeded.concurrency(),
        exceeded.policy(),
        exceeded.key_label(),
        exceeded.retry_after(),
        violated,
        exceeded.limits(),
    );
    (StatusCode::TOO_MANY_REQUESTS, text)
}

#[rate_limit("10/minute", concurrency = 1, key = everyone, on_limited = describe)]
async fn described() -> &'static str {
    "text"
}

fn app(limiter: LimiterBuilder) -> (Router, Limiter) {
    let limiter = limiter.build();
    let router = Router::new()
        .route("/both", get(both))
        .route("/alone", get(alone))
        .route("/scarce", get(scarce))
        .route("/beside", get(beside))
        .route("/described", get(described))
        .layer(limiter.layer());
    (router, limiter)
}

async fn call(router: &Router, path: &str) -> Response {
    let request = Request::get(path).header("authorization", "Bearer ann");
    let request = request.body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_response_tells_the_limit_and_no_time() {
    let (router, _) = app(Limiter::builder());
    let first = call(&router, "/both").await;
    let policy = r#""both";q=10;w=60, "both-concurrent";q=2;qu="concurrent-requests""#;
    assert_eq!(header(&first, "ratelimit-policy"), Some(policy));
    assert_eq!(header(&first, "ratelimit"), Some(r#""both";r=9;t=60"#));
    let second = call(&router, "/both").await;
    let refused = call(&router, "/both").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "ratelimit-policy"), Some(policy));
    assert_eq!(
        header(&refused, "ratelimit"),
        Some(r#""both-concurrent";r=0"#)
    );
    assert_eq!(header(&refused, "retry-after"), None);
    assert_eq!(header(&refused, "x-should-retry"), None);
    assert_eq!(header(&refused, "cache-control"), Some("no-store"));
    assert_eq!(
        header(&refused, "content-type"),
        Some("application/problem+json")
    );
    let info = refused.extensions().get::<RateLimitInfo>().unwrap();
    let by = info.refused_by().unwrap();
    assert_eq!((by.name(), by.concurrency()), ("both", Some(2)));
    let body: Value = serde_json::from_str(&text(refused).await).unwrap();
    let message = "Concurrency limit exceeded: 2 concurrent requests; \
                   retry when one of them has ended";
    assert_eq!(body["detail"], message);
    assert_eq!(body["status"], 429);
    assert_eq!(
        body["violated-policies"],
        serde_json::json!(["both-concurrent"])
    );
    assert_eq!(body["error"]["code"], "concurrency_limit_exceeded");
    assert_eq!(body["error"]["message"], message);
    drop(first);
    let third = call(&router, "/both").await;
    // The refused request has consumed nothing.
    assert_eq!(header(&third, "ratelimit"), Some(r#""both";r=7;t=60"#));
    drop((second, third));
}

fn stats_of(limiter: &Limiter, policy: &str) -> PolicyStats {
    let mut policies = limiter.stats().policies.into_iter();
    policies.find(|stats| stats.policy == policy).unwrap()
}

#[tokio::test]
async fn a_limit_alone_has_the_policy_s_name() {
    let (router, limiter) = app(Limiter::builder());
    let first = call(&router, "/alone").await;
    assert_eq!(first.status(), StatusCode::OK);
    let policy = r#""alone";q=1;qu="concurrent-requests""#;
    assert_eq!(header(&first, "ratelimit-policy"), Some(policy));
    assert_eq!(header(&first, "ratelimit"), None);
    let refused = call(&router, "/alone").await;
    assert_eq!(header(&refused, "ratelimit"), Some(r#""alone";r=0"#));
    let body = text(refused).await;
    assert!(body.contains("1 concurrent request;"), "{body}");
    let stats = stats_of(&limiter, "alone");
    assert_eq!((stats.requests.allowed, stats.requests.limited), (1, 1));
    assert_eq!(stats.in_flight, 1);
    assert_eq!(stats.concurrency.as_deref(), Some("1"));
    drop(first);
    let stats = stats_of(&limiter, "alone");
    assert_eq!(stats.in_flight, 0);
}

#[tokio::test]
async fn a_refusal_by_the_window_returns_the_permit() {
    let (router, limiter) = app(Limiter::builder());
    drop(call(&router, "/scarce").await);
    for _ in 0..5 {
        let refused = call(&router, "/scarce").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(header(&refused, "retry-after").is_some());
        assert_eq!(limiter.usage().unwrap().permits, 0);
    }
}

#[tokio::test]
async fn a_limit_beside_another_rule_of_its_key_is_one_of_its_own() {
    let (router, limiter) = app(Limiter::builder());
    let first = call(&router, "/beside").await;
    let policy = r#""beside";q=10;w=60, "beside-2";q=1;qu="concurrent-requests""#;
    assert_eq!(header(&first, "ratelimit-policy"), Some(policy));
    let refused = call(&router, "/beside").await;
    assert_eq!(header(&refused, "ratelimit"), Some(r#""beside-2";r=0"#));
    drop(first);
    drop(call(&router, "/beside").await);
    assert_eq!(limiter.usage().unwrap().permits, 0);
    let text = limiter.policies().to_string();
    assert!(text.contains("1 concurrent"), "{text}");
}

#[tokio::test]
async fn on_limited_is_called_with_what_refused() {
    let (router, _) = app(Limiter::builder());
    let first = call(&router, "/described").await;
    let refused = call(&router, "/described").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        text(refused).await,
        r#"Some(1) described everyone None ["described-concurrent"] 10 per minute"#
    );
    drop(first);
}

#[tokio::test]
async fn other_header_styles_say_nothing_of_it() {
    for style in [
        HeaderStyle::XRateLimit,
        HeaderStyle::OpenAi,
        HeaderStyle::Off,
    ] {
        let (router, _) = app(Limiter::builder().header_style(style));
        let first = call(&router, "/alone").await;
        let refused = call(&router, "/alone").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let names = refused
            .headers()
            .keys()
            .filter(|name| name.as_str().contains("ratelimit"));
        assert_eq!(names.count(), 0);
        drop(first);
    }
}

#[tokio::test]
async fn keys_are_counted_apart_and_a_missing_key_is_an_error() {
    let (router, limiter) = app(Limiter::builder());
    let with = async |token: &str| {
        let request = Request::get("/both").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    let held = [
        with("a").await,
        with("a").await,
        with("b").await,
        with("b").await,
    ];
    assert!(held.iter().all(|response| response.status() == 200));
    assert_eq!(with("a").await.status(), 429);
    assert_eq!(with("b").await.status(), 429);
    let request = Request::get("/both").body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(request).await.unwrap().status(), 401);
    assert_eq!(limiter.usage().unwrap().permits, 4);
}

#[tokio::test]
async fn a_disabled_limiter_holds_nothing() {
    let (router, limiter) = app(Limiter::builder().enabled(false));
    let held = [call(&router, "/alone").await, call(&router, "/alone").await];
    assert!(held.iter().all(|response| response.status() == 200));
    assert_eq!(limiter.usage().unwrap().permits, 0);
}
