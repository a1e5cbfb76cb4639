//! Requests that wait for room, on tokio's paused clock.

use crate::scrape::{recorder, scrape};
use axum::{Router, routing::get};
use limit_runtime::{Limiter, clock::Clock, everyone, rate_limit};
use metrics::set_default_local_recorder;
use std::time::Duration;
use test_support::requests::get_status;
use tokio::time::{sleep, timeout};

#[rate_limit("1/minute", key = everyone, wait = "2m")]
async fn patient() {}

#[tokio::test(start_paused = true)]
async fn waits_are_seen_while_they_last_and_timed_when_they_end() {
    let recorder = recorder();
    let _guard = set_default_local_recorder(&recorder);
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let app = Router::new()
        .route("/", get(patient))
        .layer(limiter.layer());
    get_status(&app, "/").await;
    sleep(Duration::from_secs(20)).await;
    let waits = get_status(&app, "/");
    let seen = async {
        sleep(Duration::from_secs(30)).await;
        limiter.record_gauges();
        scrape(&recorder)
    };
    let (status, during) = tokio::join!(waits, seen);
    assert!(status.is_success());
    during.assert(&[("rate_limit_waiting{policy='patient'}", 1.0)]);
    limiter.record_gauges();
    let after = scrape(&recorder);
    after.assert(&[
        ("rate_limit_waiting{policy='patient'}", 0.0),
        ("rate_limit_wait_seconds_count{policy='patient'}", 1.0),
        (
            "rate_limit_requests_total{policy='patient',route='/',outcome='allowed'}",
            2.0,
        ),
    ]);
    let waited = after.value("rate_limit_wait_seconds_sum{policy='patient'}");
    // The limiter rounds up to milliseconds.
    assert!((waited - 40.0).abs() < 0.01, "{waited}");

    // A client that disconnects waits no longer.
    let gone = timeout(Duration::from_secs(5), get_status(&app, "/")).await;
    assert!(gone.is_err());
    limiter.record_gauges();
    scrape(&recorder).assert(&[
        ("rate_limit_waiting{policy='patient'}", 0.0),
        ("rate_limit_wait_seconds_count{policy='patient'}", 2.0),
    ]);
}
