//! Log lines of refused requests. One test in a process of its own: it reads all that is logged.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
    routing::get,
};
use limit_runtime::{Limiter, client_ip, everyone, rate_limit};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use test_support::{log::Log, requests::send};

#[rate_limit("1/minute", key = client_ip)]
async fn item() {}

#[rate_limit("1/minute", key = everyone)]
async fn other() {}

#[rate_limit("1/minute", key = everyone, dry_run, name = "trial")]
async fn trial() {}

fn two() -> u32 {
    2
}

#[rate_limit("1/minute", key = everyone, cost = two, dry_run, name = "too-large")]
async fn too_large() {}

async fn status(router: &Router, path: &str) -> StatusCode {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    let peer = SocketAddr::from(([192, 0, 2, 1], 1));
    request.extensions_mut().insert(ConnectInfo(peer));
    send(router, request).await.status()
}

fn only_line(log: &Log, parts: &[&str]) -> String {
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in parts {
        assert!(lines[0].contains(part), "no {part:?} in {}", lines[0]);
    }
    lines[0].clone()
}

#[tokio::test]
async fn the_first_refusal_of_each_second_is_logged_with_the_number_of_those_left_out() {
    let log = Log::capture();
    let digest = Arc::new(Mutex::new(String::new()));
    let seen = digest.clone();
    let clock = limit_runtime::clock::TestClock::new();
    let limiter = Limiter::builder()
        .clock(clock.clone())
        .on_decision(move |event| *seen.lock().unwrap() = event.key.unwrap().to_string())
        .build();
    let router = Router::new()
        .route("/items/{id}", get(item))
        .route("/other", get(other))
        .route("/trial", get(trial))
        .route("/too-large", get(too_large))
        .layer(limiter.layer());

    assert_eq!(status(&router, "/items/1").await, StatusCode::OK);
    assert_eq!(log.text(), "");
    for _ in 0..3 {
        assert_eq!(
            status(&router, "/items/1").await,
            StatusCode::TOO_MANY_REQUESTS
        );
    }
    let digest = digest.lock().unwrap().clone();
    let line = only_line(
        &log,
        &[
            " INFO limit_runtime: a request is refused by a rate limit ",
            "policy=\"item\"",
            "route=\"/items/{id}\"",
            "limit=1 per minute",
            "retry_after_ms=60000",
            &format!("key=client_ip:{digest} "),
            "reason=\"limited\"",
            "left_out=0",
        ],
    );
    assert!(!line.contains("192.0.2.1"), "{line}");

    clock.advance(Duration::from_secs(1));
    status(&router, "/items/1").await;
    only_line(
        &log,
        &["policy=\"item\"", "retry_after_ms=59000", "left_out=2"],
    );
    // Each policy is sampled by itself.
    status(&router, "/other").await;
    status(&router, "/other").await;
    only_line(&log, &["policy=\"other\"", "key=everyone:", "left_out=0"]);

    status(&router, "/trial").await;
    assert_eq!(status(&router, "/trial").await, StatusCode::OK);
    let dry_run = "a request would be refused by a rate limit in dry run";
    only_line(
        &log,
        &[dry_run, "policy=\"trial\"", "reason=\"would_limit\""],
    );
    status(&router, "/too-large").await;
    let never = "a request would never be admitted by a rate limit in dry run";
    only_line(
        &log,
        &[never, "policy=\"too-large\"", "reason=\"would_limit\""],
    );
}
