//! Requests, units and utilisation.

use crate::scrape::{recorder, scrape};
use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use limit_runtime::{
    Limiter, Limits, RateLimit, everyone, limits, observe::StatsLevel, rate_limit,
};
use metrics::set_default_local_recorder;
use test_support::requests::get_status;

#[rate_limit("4/minute", key = everyone)]
async fn item() {}

#[rate_limit(exempt, key = everyone)]
async fn free() {}

const TWELVE: Limits = limits!("12/hour");

#[rate_limit(TWELVE, key = everyone)]
async fn constant() {}

fn exempt() -> Option<Limits> {
    None
}

#[rate_limit("4/minute", key = everyone, cost = five)]
async fn large() {}

fn five() -> u64 {
    5
}

#[rate_limit("4/minute", key = everyone, name = "strict", dry_run)]
async fn tried() {}

#[rate_limit("4/minute", key = rejected)]
async fn locked() {}

fn rejected() -> Result<String, StatusCode> {
    Err(StatusCode::UNAUTHORIZED)
}

#[rate_limit("9/minute", key = everyone, count_when = is_ok)]
async fn failing() -> impl IntoResponse {
    StatusCode::NOT_FOUND
}

fn is_ok(response: &axum::response::Response) -> bool {
    response.status().is_success()
}

#[rate_limit("100/minute", key = everyone)]
async fn streamed(limit: RateLimit) {
    limit.charge(7).await.unwrap();
    limit.refund(3).await.unwrap();
}

fn app(level: StatsLevel) -> (Router, Limiter) {
    let limiter = Limiter::builder().stats(level).build();
    let router = Router::new()
        .route("/items/{id}", get(item))
        .route("/free", get(free))
        .route("/constant", get(constant))
        .route("/large", get(large))
        .route("/tried", get(tried))
        .route("/locked", get(locked))
        .route("/failing", get(failing))
        .route("/streamed", get(streamed))
        .layer(limiter.layer());
    (router, limiter)
}

#[tokio::test]
async fn each_request_is_counted_with_policy_route_and_outcome() {
    for level in [StatsLevel::Off, StatsLevel::Totals, StatsLevel::Detailed] {
        let recorder = recorder();
        let _guard = set_default_local_recorder(&recorder);
        let (app, limiter) = app(level);
        for _ in 0..6 {
            get_status(&app, "/items/7").await;
            get_status(&app, "/tried").await;
        }
        for path in ["/free", "/large", "/locked"] {
            get_status(&app, path).await;
        }
        let scrape = scrape(&recorder);
        let requests = |policy: &str, route: &str, outcome: &str| {
            let labels = format!("policy={policy:?},route={route:?},outcome={outcome:?}");
            scrape.value(&format!("rate_limit_requests_total{{{labels}}}"))
        };
        for (policy, route, outcome, expected) in [
            ("item", "/items/{id}", "allowed", 4.0),
            ("item", "/items/{id}", "limited", 2.0),
            ("item", "/items/{id}", "exempt", 0.0),
            ("item", "/items/{id}", "store_error", 0.0),
            ("item", "/items/{id}", "fallback", 0.0),
            ("strict", "/tried", "allowed", 4.0),
            ("strict", "/tried", "would_limit", 2.0),
            ("strict", "/tried", "limited", 0.0),
            ("free", "/free", "exempt", 1.0),
            ("large", "/large", "exceeds_capacity", 1.0),
        ] {
            let found = requests(policy, route, outcome);
            assert!(
                (found - expected).abs() < 1e-9,
                "{policy} {outcome} {found}"
            );
        }
        scrape.assert(&[
            ("rate_limit_units_total{policy='item',kind='charged'}", 4.0),
            ("rate_limit_units_total{policy='item',kind='refunded'}", 0.0),
            (
                "rate_limit_units_total{policy='strict',kind='charged'}",
                4.0,
            ),
            ("rate_limit_utilization_count{policy='item'}", 6.0),
            // 1, 2, 3, 4 of 4, and two refusals.
            ("rate_limit_utilization_sum{policy='item'}", 4.5),
            (
                "rate_limit_utilization_bucket{policy='item',le='0.25'}",
                1.0,
            ),
            (
                "rate_limit_utilization_bucket{policy='item',le='0.99'}",
                3.0,
            ),
            ("rate_limit_utilization_bucket{policy='item',le='1'}", 6.0),
        ]);
        // A rejection is a response of the application, not of the limiter.
        assert!(!scrape.text.contains("locked"), "{}", scrape.text);
        let stats = limiter.stats();
        let counted = stats.policies.iter().find(|policy| policy.policy == "item");
        let expected = if level == StatsLevel::Off { 0 } else { 6 };
        assert_eq!(counted.unwrap().requests.total, expected);
    }
}

#[tokio::test]
async fn units_are_charged_forced_and_refunded() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let (app, _limiter) = app(StatsLevel::Totals);
    get_status(&app, "/failing").await;
    get_status(&app, "/streamed").await;
    scrape(&recorder).assert(&[
        (
            "rate_limit_units_total{policy='failing',kind='charged'}",
            1.0,
        ),
        (
            "rate_limit_units_total{policy='failing',kind='refunded'}",
            1.0,
        ),
        (
            "rate_limit_units_total{policy='streamed',kind='charged'}",
            1.0,
        ),
        (
            "rate_limit_units_total{policy='streamed',kind='forced'}",
            7.0,
        ),
        (
            "rate_limit_units_total{policy='streamed',kind='refunded'}",
            3.0,
        ),
    ]);
}

#[tokio::test]
async fn a_refused_request_charges_no_unit_on_any_of_its_rules() {
    #[rate_limit("1/minute", key = everyone, name = "narrow")]
    #[rate_limit("9/minute", key = everyone, name = "wide")]
    async fn two() {}

    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let limiter = Limiter::new();
    let app = Router::new().route("/", get(two)).layer(limiter.layer());
    for _ in 0..3 {
        get_status(&app, "/").await;
    }
    scrape(&recorder).assert(&[
        (
            "rate_limit_units_total{policy='narrow',kind='charged'}",
            1.0,
        ),
        ("rate_limit_units_total{policy='wide',kind='charged'}", 1.0),
        (
            "rate_limit_requests_total{policy='narrow',route='/',outcome='limited'}",
            2.0,
        ),
    ]);
}

#[tokio::test]
async fn gauges_have_constant_limits_keys_and_the_state_of_the_store() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let (app, limiter) = app(StatsLevel::Totals);
    let layer = limiter.limit_layer("api", limits!("10 per 30 seconds; 100/hour"));
    let app = app.layer(layer.key(everyone));
    get_status(&app, "/items/7").await;
    limiter.record_gauges();
    let scrape = scrape(&recorder);
    scrape.assert(&[
        ("rate_limit_limit{policy='item',window='minute'}", 4.0),
        ("rate_limit_limit{policy='constant',window='hour'}", 12.0),
        ("rate_limit_limit{policy='api',window='30 seconds'}", 10.0),
        ("rate_limit_limit{policy='api',window='hour'}", 100.0),
        ("rate_limit_waiting{policy='item'}", 0.0),
        ("rate_limit_keys", 2.0),
        ("rate_limit_store_up", 1.0),
        ("rate_limit_evicted_total", 0.0),
        ("rate_limit_shared_total", 0.0),
    ]);
    let of_free = |(name, labels): &(String, std::collections::BTreeMap<String, String>)| {
        name == "rate_limit_limit" && labels.get("policy").is_some_and(|policy| policy == "free")
    };
    assert!(
        !scrape.samples.keys().any(of_free),
        "its limits are computed"
    );
}
