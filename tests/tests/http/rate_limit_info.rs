//! `RateLimitInfo`: what middleware of the application reads from a response.

use crate::app::App;
use crate::refusals::{Units, once, units};
use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use http::Request;
use limit_runtime::{
    Limiter, LimiterBuilder, RateLimit, RateLimitInfo, client_ip, everyone, header, limits,
    rate_limit,
};
use std::{net::SocketAddr, time::Duration};
use tower::ServiceExt;

async fn info(app: &App, path: &str, units: u64) -> Option<RateLimitInfo> {
    let request = Request::get(path).header("x-units", units);
    let mut request = request.body(Body::empty()).unwrap();
    let peer = SocketAddr::from(([192, 0, 2, 1], 1));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = app.router.clone().oneshot(request).await.unwrap();
    response.extensions().get::<RateLimitInfo>().cloned()
}

#[rate_limit("2/second; 10/minute", name = "requests", key = client_ip)]
#[rate_limit("6/hour", name = "units", key = everyone, cost = units)]
async fn two_policies() {}

#[rate_limit("9/minute", name = "late", key = everyone, cost = units.0)]
async fn late(units: Units, limit: RateLimit) {
    limit.charge(units.0).await.unwrap();
}

fn informative(limiter: LimiterBuilder) -> App {
    let router = Router::new()
        .route("/once", get(once))
        .route("/two", get(two_policies))
        .route("/late", get(late))
        .route("/free", get(|| async {}));
    App::with(router, limiter)
}

/// The name, the key's label, the cost, whether it refused, and what is left of each limit.
fn policies(info: &RateLimitInfo) -> Vec<(String, String, u64, bool, Vec<u64>)> {
    let policies = info.policies().iter().map(|policy| {
        let left = policy.outcomes().iter();
        let left = left.map(|outcome| outcome.remaining()).collect();
        let (name, key) = (policy.name().to_owned(), policy.key_label().to_owned());
        (name, key, policy.cost(), policy.is_refused(), left)
    });
    policies.collect()
}

fn policy(
    name: &str,
    key: &str,
    cost: u64,
    is_refused: bool,
    left: &[u64],
) -> (String, String, u64, bool, Vec<u64>) {
    (name.into(), key.into(), cost, is_refused, left.into())
}

#[tokio::test]
async fn refusals_carry_their_info_and_other_responses_do_not() {
    let app = informative(Limiter::builder().retry_jitter(Duration::ZERO));
    for path in ["/once", "/two", "/late", "/free"] {
        assert!(info(&app, path, 1).await.is_none(), "{path}");
    }
    let refused = info(&app, "/once", 1).await.unwrap();
    assert!(refused.is_refused());
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(
        policies(&refused),
        [policy("once", "everyone", 1, true, &[0])]
    );

    app.clock.advance(Duration::from_secs(15));
    let refused = info(&app, "/two", 6).await.unwrap();
    assert_eq!(
        policies(&refused),
        [
            policy("requests", "client_ip", 1, false, &[2, 9]),
            policy("units", "everyone", 6, true, &[5]),
        ]
    );
    assert_eq!(refused.refused_by().unwrap().name(), "units");
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(3585)));

    let refused = info(&app, "/late", 10).await.unwrap();
    assert_eq!(
        policies(&refused),
        [policy("late", "everyone", 10, true, &[7])]
    );
    assert_eq!(refused.retry_after(), None);
}

#[tokio::test]
async fn admitted_responses_carry_their_info_if_asked_for() {
    let app = informative(Limiter::builder().response_info(true));
    let admitted = info(&app, "/once", 1).await.unwrap();
    assert!(!admitted.is_refused());
    assert_eq!(admitted.retry_after(), None);
    assert_eq!(
        policies(&admitted),
        [policy("once", "everyone", 1, false, &[0])]
    );
    let admitted = info(&app, "/two", 4).await.unwrap();
    assert_eq!(
        policies(&admitted),
        [
            policy("requests", "client_ip", 1, false, &[1, 9]),
            policy("units", "everyone", 4, false, &[2]),
        ]
    );
    // What the handler charged is a part of the cost.
    let admitted = info(&app, "/late", 2).await.unwrap();
    assert_eq!(
        policies(&admitted),
        [policy("late", "everyone", 4, false, &[5])]
    );
    assert!(info(&app, "/free", 1).await.is_none());
    assert!(info(&app, "/once", 1).await.unwrap().is_refused());
}

#[tokio::test]
async fn info_covers_layers_and_shows_no_key() {
    #[rate_limit("1/minute", name = "inner", key = header("x-api-key"))]
    async fn handler() {}
    let limiter = Limiter::builder().response_info(true).build();
    let layer = limiter
        .limit_layer("outer", limits!("3/minute"))
        .key(everyone);
    let router = Router::new().route("/", get(handler)).layer(layer);
    let call = || async {
        let request = Request::get("/").header("x-api-key", "sk-secret");
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let info = response.extensions().get::<RateLimitInfo>().cloned();
        info.unwrap()
    };
    let key = r#"header("x-api-key")"#;
    let outer = |left| policy("outer", "key", 1, false, &[left]);
    let admitted = call().await;
    assert_eq!(
        policies(&admitted),
        [policy("inner", key, 1, false, &[0]), outer(2)]
    );
    let refused = call().await;
    assert_eq!(
        policies(&refused),
        [policy("inner", key, 1, true, &[0]), outer(1)]
    );
    assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
    call().await;
    let refused = call().await;
    assert_eq!(refused.refused_by().unwrap().name(), "outer");
    assert_eq!(refused.policies().len(), 1);
}
