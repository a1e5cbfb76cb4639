//! Reservations that are extracted before the arguments of their rule are known.

use axum::{Json, Router, body::Body, extract::FromRequestParts, routing::post};
use http::{Request, StatusCode, request::Parts};
use limit_runtime::{
    Limiter, RateLimit, Reservation,
    clock::TestClock,
    everyone,
    observe::{PolicyStats, ReservationCounts},
    rate_limit,
};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, sync::Mutex, time::Duration};
use test_support::servers::Server;
use tower::ServiceExt;

#[derive(Deserialize, Serialize)]
struct Call {
    model: String,
    estimate: u64,
    used: Option<u64>,
    status: u16,
}

fn call(estimate: u64, used: Option<u64>, status: u16) -> Call {
    let model = "m".to_owned();
    Call {
        model,
        estimate,
        used,
        status,
    }
}

/// Both the scope and the cost are in the body.
#[rate_limit("1_000 tokens/minute", name = "tokens", key = everyone, scope = call.model, cost = call.estimate)]
#[rate_limit("100/minute", name = "requests", key = everyone)]
async fn run(reservation: Reservation, Json(call): Json<Call>) -> StatusCode {
    assert_eq!(reservation.reserved(), call.estimate);
    if let Some(used) = call.used {
        reservation.used(used);
    }
    StatusCode::from_u16(call.status).unwrap()
}

/// An extractor that finds the answer in a cache, before the cost is known.
struct Cached;

impl<S: Sync> FromRequestParts<S> for Cached {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let limit = RateLimit::from_request_parts(parts, state).await.unwrap();
        limit.reservation().unwrap().release();
        Ok(Self)
    }
}

#[rate_limit("1_000 tokens/minute", name = "cached", key = everyone, cost = call.estimate)]
async fn cached(_: Cached, Json(call): Json<Call>) -> StatusCode {
    StatusCode::from_u16(call.status).unwrap()
}

#[rate_limit("1_000 tokens/minute", name = "tokens", key = everyone, scope = call.model, cost = call.estimate)]
async fn left(Json(call): Json<Call>) -> StatusCode {
    StatusCode::from_u16(call.status).unwrap()
}

fn app(limiter: &Limiter) -> Router {
    Router::new()
        .route("/", post(run))
        .route("/cached", post(cached))
        .route("/left", post(left))
        .layer(limiter.layer())
}

async fn send(router: &Router, path: &str, body: String) -> (StatusCode, String) {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let state = response.headers().get("ratelimit");
    let state = state.map_or("", |state| state.to_str().unwrap());
    (response.status(), state.to_owned())
}

async fn send_call(router: &Router, path: &str, call: &Call) -> (StatusCode, String) {
    send(router, path, serde_json::to_string(call).unwrap()).await
}

fn counts(limiter: &Limiter, handler: &str) -> ReservationCounts {
    let stats = limiter.stats();
    let of_handler = |found: &&PolicyStats| {
        let path = format!("{}::{handler}", module_path!());
        found.handler == Some(path.as_str()) && found.limits.contains("tokens")
    };
    let mut policies = stats.policies.iter();
    policies.find(of_handler).unwrap().reservations
}

#[tokio::test]
async fn a_scope_and_a_cost_in_the_body_are_settled() {
    let limiter = Limiter::builder().clock(TestClock::new()).build();
    let router = app(&limiter);
    for (call, expected) in [
        (call(100, Some(30), 200), 970),
        (call(100, Some(150), 200), 820),
        (call(100, None, 200), 720),
        (call(100, None, 500), 720),
        (call(100, Some(10), 500), 710),
        // Refused: it reserves nothing.
        (call(900, Some(900), 200), 710),
    ] {
        send_call(&router, "/", &call).await;
        let (_, state) = send_call(&router, "/left", &self::call(1, None, 200)).await;
        let name = "\"tokens\"";
        assert_eq!(state, format!("{name};r={};t=60", expected - 1));
        limiter.reset_all().await.unwrap();
        // As if nothing but this had been charged.
        if expected < 1_000 {
            let again = self::call(1_000 - expected, None, 200);
            send_call(&router, "/left", &again).await;
        }
    }
    let counts = counts(&limiter, "run");
    assert_eq!((counts.open, counts.settled), (0, 5));
    assert_eq!((counts.reserved, counts.used), (500, 30 + 150 + 100 + 10));
    assert_eq!((counts.given_back, counts.forced), (70 + 100 + 90, 50));
}

#[tokio::test]
async fn a_body_that_is_no_call_has_nothing_to_settle() {
    let limiter = Limiter::builder().clock(TestClock::new()).build();
    let router = app(&limiter);
    let (status, state) = send(&router, "/", "{}".to_owned()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(state, "\"requests\";r=99;t=60");
    assert_eq!(counts(&limiter, "run"), ReservationCounts::default());
}

#[tokio::test]
async fn a_use_that_is_known_before_the_charge_is_settled_after_it() {
    let limiter = Limiter::builder().clock(TestClock::new()).build();
    let router = app(&limiter);
    let (status, state) = send_call(&router, "/cached", &call(600, None, 200)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(state, "\"cached\";r=1000;t=0");
    let counts = counts(&limiter, "cached");
    assert_eq!((counts.open, counts.settled), (0, 1));
    assert_eq!((counts.reserved, counts.used), (600, 0));
}

static KEPT: Mutex<Option<Reservation>> = Mutex::new(None);

#[rate_limit("100_000/hour", key = everyone, cost = 100, on_store_error = allow)]
async fn keep(reservation: Reservation) {
    *KEPT.lock().unwrap() = Some(reservation);
}

/// The fallback keeps no counts in this process. What is used beyond the estimate is charged once.
#[tokio::test]
async fn excess_is_charged_once_although_only_the_store_counts_it() {
    let server = Server::redis();
    let clock = TestClock::new();
    let limiter = Limiter::builder()
        .clock(clock.clone())
        .remote(&server.url());
    let limiter = limiter.store_deadline(Duration::from_secs(10));
    let limiter = limiter.connect().await.unwrap();
    let router = Router::new().route("/", post(keep)).layer(limiter.layer());
    let (status, _) = send(&router, "/", String::new()).await;
    assert_eq!(status, StatusCode::OK);
    let reservation = KEPT.lock().unwrap().take().unwrap();
    for _ in 0..3 {
        clock.advance(Duration::from_secs(2));
        reservation.add(200);
    }
    reservation.commit(650);
    assert_eq!(limiter.shutdown().await, 0);
    let (_, state) = send(&router, "/", String::new()).await;
    assert!(
        state.contains(&format!(";r={};", 100_000 - 650 - 100)),
        "{state}"
    );
}
