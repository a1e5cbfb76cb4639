//! Stores: evictions, errors, fallbacks and times.

use crate::scrape::{recorder, scrape};
use axum::{Router, routing::get};
use limit_runtime::{
    IntoKey, Limiter, RateLimit, WhenFull, everyone, limits, rate_limit,
    store::{Charge, CustomStore, Fallback, Scope},
};
use metrics::set_default_local_recorder;
use metrics_exporter_prometheus::PrometheusRecorder;
use std::{collections::BTreeMap, time::Duration};
use test_support::{check_only::CheckOnly, requests::get_status, servers::Server};

#[rate_limit("4/minute", key = everyone)]
async fn counted() {}

fn app(limiter: &Limiter) -> Router {
    Router::new()
        .route("/", get(counted))
        .layer(limiter.layer())
}

fn admitting_without_a_store() -> Limiter {
    let store = CustomStore::new(CheckOnly::UNREACHABLE).fallback(Fallback::Allow);
    Limiter::builder().store(store).build()
}

#[tokio::test(start_paused = true)]
async fn errors_have_a_kind_and_requests_the_effect_of_the_fallback() {
    let (unreachable, silent) = (CheckOnly::UNREACHABLE, CheckOnly::SILENT);
    for (store, fallback, kind, outcome, charged) in [
        (unreachable, Fallback::Deny, "outage", "store_error", 0.0),
        (silent, Fallback::Allow, "deadline", "fallback", 0.0),
        (unreachable, Fallback::Local, "outage", "fallback", 2.0),
    ] {
        let recorder = recorder();
        let _guard = set_default_local_recorder(&recorder);
        let store = CustomStore::new(store)
            .fallback(fallback)
            .store_deadline(Duration::from_millis(20));
        let limiter = Limiter::builder().store(store).build();
        let app = app(&limiter);
        for _ in 0..2 {
            get_status(&app, "/").await;
        }
        let requests =
            format!("rate_limit_requests_total{{policy='counted',route='/',outcome='{outcome}'}}");
        let errors = format!("rate_limit_store_errors_total{{store='custom',kind='{kind}'}}");
        let scrape = scrape(&recorder);
        scrape.assert(&[
            (&requests, 2.0),
            (&errors, 2.0),
            ("rate_limit_store_seconds_count{store='custom'}", 2.0),
        ]);
        let units = "rate_limit_units_total{policy='counted',kind='charged'}";
        let found = scrape.value_or_zero(units);
        assert!((found - charged).abs() < 1e-9, "{}", scrape.text);
        assert_eq!(limiter.health().failed, 2);
    }
}

#[rate_limit("4/minute", key = everyone)]
async fn refunding(limit: RateLimit) {
    limit.refund(1).await.unwrap();
}

/// What `Fallback::Allow` lets through is not counted by anything, so nothing of it is given back.
#[tokio::test]
async fn units_that_nothing_has_counted_are_not_refunded() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let limiter = admitting_without_a_store();
    let app = Router::new()
        .route("/", get(refunding))
        .layer(limiter.layer());
    assert_eq!(get_status(&app, "/").await, 200);
    let scrape = scrape(&recorder);
    for kind in ["charged", "refunded"] {
        let units = format!("rate_limit_units_total{{policy='refunding',kind='{kind}'}}");
        assert!(scrape.value_or_zero(&units) < 0.5, "{}", scrape.text);
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_seen_in_the_gauge() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let limiter = admitting_without_a_store();
    let app = app(&limiter);
    limiter.record_gauges();
    scrape(&recorder).assert(&[("rate_limit_store_up", 1.0)]);
    for _ in 0..10 {
        get_status(&app, "/").await;
    }
    limiter.record_gauges();
    scrape(&recorder).assert(&[("rate_limit_store_up", 0.0)]);
}

#[tokio::test]
async fn calls_of_redis_are_timed_under_its_name() {
    let server = Server::redis();
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let limiter = Limiter::builder().remote(&server.url());
    let limiter = limiter
        .store_deadline(Duration::from_secs(10))
        .connect()
        .await
        .unwrap();
    let app = app(&limiter);
    for _ in 0..3 {
        get_status(&app, "/").await;
    }
    let scrape = scrape(&recorder);
    let answered = limiter.health().answered;
    assert!(answered >= 3);
    let timed = scrape.value("rate_limit_store_seconds_count{store='redis'}");
    assert!(
        (timed - answered as f64).abs() < 1e-9,
        "{timed} of {answered}"
    );
    scrape.assert(&[
        (
            "rate_limit_requests_total{policy='counted',route='/',outcome='allowed'}",
            3.0,
        ),
        (
            "rate_limit_units_total{policy='counted',kind='charged'}",
            3.0,
        ),
    ]);
}

#[test]
fn evictions_and_shared_budgets_equal_those_of_usage() {
    for when_full in [WhenFull::ForgetLeastUsed, WhenFull::Share] {
        let recorder = recorder();
        let _guard = set_default_local_recorder(&recorder);
        let limiter = Limiter::builder()
            .max_keys(100)
            .when_full(when_full)
            .build();
        let limits = limits!("10/minute");
        for client in 0..2_000_u64 {
            let key = client.into_key();
            let charge = Charge::new(Scope::shared("clients"), &key, &limits);
            limiter.try_check(&charge).unwrap();
        }
        let usage = limiter.usage().unwrap();
        assert!(usage.evicted + usage.shared > 1_000, "{usage:?}");
        limiter.record_gauges();
        scrape(&recorder).assert(&[
            ("rate_limit_evicted_total", usage.evicted as f64),
            ("rate_limit_shared_total", usage.shared as f64),
            ("rate_limit_keys", usage.keys as f64),
        ]);
    }
}

/// Records at least one value of each metric. Returns their types.
pub(crate) async fn everything(recorder: &PrometheusRecorder) -> BTreeMap<String, String> {
    let remote = Limiter::builder().store(CheckOnly::UNREACHABLE).build();
    get_status(&app(&remote), "/").await;
    let memory = Limiter::new();
    let app = Router::new().route("/", get(waiting)).layer(memory.layer());
    get_status(&app, "/").await;
    get_status(&app, "/").await;
    memory.record_gauges();
    scrape(recorder).types
}

#[rate_limit("1 per 10ms", key = everyone, wait = "1s", concurrency = 2)]
async fn waiting() {}
