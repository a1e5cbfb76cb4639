//! Monitoring: what is limited, as JSON, on a page, for Prometheus, and in the log.
//!
//! * `POST /predict`: 10 a minute for each client address
//! * `POST /batch-predict`: 2 a minute for each client address
//! * `GET /metrics`: requests and refusals of each endpoint, as JSON
//! * `GET /limits`: a page of all limits, with live numbers
//! * `GET /prometheus`: the same and more, for Prometheus; `docs/grafana.json` has a dashboard
//!
//! Each refusal is logged as a warning, by the decision hook. In a real service, serve the last
//! three routes behind authentication, or on another port.
//!
//! `cargo run --example monitoring --features monitoring`, then try (`PORT` chooses another port):
//!
//! ```sh
//! for i in $(seq 11); do
//!     curl -isS http://localhost:8000/predict \
//!         --json '{"text": "Guten Tag, ich habe eine Frage."}'; echo
//! done
//! curl -isS http://localhost:8000/batch-predict --json '[{"text": "Tous les hommes sont égaux."}]'
//! curl -sS http://localhost:8000/metrics
//! curl -sS http://localhost:8000/prometheus
//! ```

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use examples::language::{Input, Model, Output};
use limit_runtime::{DecisionEvent, Limiter, client_ip, rate_limit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use std::{error::Error, sync::LazyLock, time::Duration};

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::train(2));

#[rate_limit("10/minute", key = client_ip)]
async fn predict(Json(input): Json<Input>) -> Json<Output> {
    Json(MODEL.predict(&input.text))
}

#[rate_limit("2/minute", key = client_ip)]
async fn batch_predict(Json(inputs): Json<Vec<Input>>) -> Json<Vec<Output>> {
    let outputs = inputs.iter().map(|input| MODEL.predict(&input.text));
    Json(outputs.collect())
}

async fn metrics(State(limiter): State<Limiter>) -> Json<Value> {
    let stats = limiter.stats();
    Json(json!({
        "total_requests": stats.totals.total,
        "limited_requests": stats.totals.limited,
        "endpoints": stats.endpoints,
    }))
}

/// The decision hook: called for each refusal. It has a digest of the key, never the key.
fn warn(event: &DecisionEvent<'_>) {
    let key = event.key.map(|key| key.to_string());
    tracing::warn!(
        policy = event.policy,
        route = event.route,
        key,
        "rate limit breached: {}",
        event.reason
    );
}

/// The exporter. The buckets are those that `docs/OBSERVABILITY.md` recommends.
fn exporter() -> Result<PrometheusHandle, BuildError> {
    let name = |name: &str| Matcher::Full(name.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(
            name("rate_limit_utilization"),
            &[0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0],
        )?
        .set_buckets_for_metric(
            name("rate_limit_wait_seconds"),
            &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0],
        )?
        .set_buckets_for_metric(
            name("rate_limit_store_seconds"),
            &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
        )?
        .install_recorder()
}

fn app(limiter: &Limiter, exporter: PrometheusHandle) -> Router {
    let gauges_of = limiter.clone();
    let prometheus = async move || {
        gauges_of.record_gauges();
        exporter.render()
    };
    Router::new()
        .route("/predict", post(predict))
        .route("/batch-predict", post(batch_predict))
        .route("/metrics", get(metrics))
        .route("/prometheus", get(prometheus))
        .layer(limiter.layer())
        .nest("/limits", limiter.dashboard())
        .with_state(limiter.clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The limiter logs the first refusal of each second itself, at INFO. The hook logs all of them.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .init();
    // Before the first request: a policy that meets one without an exporter is never exported.
    let exporter = exporter()?;
    let limiter = Limiter::builder().stats(true).on_decision(warn).build();
    let app = app(&limiter, exporter.clone());
    // Between scrapes the exporter keeps each value of a histogram. This adds them up.
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            exporter.run_upkeep();
        }
    });
    examples::serve(app, include_str!("monitoring.rs")).await
}
