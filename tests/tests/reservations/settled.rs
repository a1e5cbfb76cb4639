//! What a reservation settles at, request by request.

use crate::handlers::{End, Expected, Plan, app, charged, open};
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{FutureExt, StreamExt, stream};
use http::StatusCode;
use limit_runtime::{
    Limiter, RateLimit, Reservation, UnknownPolicy, everyone, limits, observe::PolicyStats,
    rate_limit,
};
use serde_json::json;
use std::{convert::Infallible, panic::AssertUnwindSafe};
use test_support::requests::{get_status, request, send, text};

fn post_json(path: &str, body: &impl serde::Serialize) -> http::Request<axum::body::Body> {
    let body = serde_json::to_string(body).unwrap();
    let mut request = request("POST", path, body);
    let json = http::HeaderValue::from_static("application/json");
    request.headers_mut().insert("content-type", json);
    request
}

/// Runs one request to its end. Returns `None` if its handler panicked.
async fn run(router: &Router, plan: &Plan) -> Option<StatusCode> {
    let sent = send(router, post_json("/run", plan));
    let response = AssertUnwindSafe(sent).catch_unwind().await.ok()?;
    let status = response.status();
    // An error of the stream is an error here.
    let _ = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    Some(status)
}

#[tokio::test]
async fn every_way_out_settles_once_at_what_was_used() {
    for estimate in [0, 1, 40, 100] {
        for used in [0, 1, 40, 250] {
            for end in [
                End::Commit,
                End::CommitTwice,
                End::Release,
                End::Silent,
                End::SilentError,
                End::SilentPanic,
                End::Error,
                End::Panic,
                End::Stream,
                End::StreamError,
            ] {
                let (limiter, expected) = (Limiter::new(), Expected::default());
                let router = app(&limiter, &expected);
                let plan = Plan {
                    estimate,
                    used,
                    end,
                };
                for round in 1..=2 {
                    run(&router, &plan).await;
                    let charged = charged(&router).await;
                    assert_eq!(charged, expected.get(), "{plan:?}, round {round}");
                }
                assert_eq!(open(&limiter), 0, "{plan:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_whose_body_is_bad_counts_as_one() {
    let (limiter, expected) = (Limiter::new(), Expected::default());
    let router = app(&limiter, &expected);
    let bad = send(&router, post_json("/run", &json!({ "estimate": 500 }))).await;
    assert_eq!(bad.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(charged(&router).await, 1);
    assert_eq!(open(&limiter), 0);
}

#[rate_limit("1_000_000/hour", key = everyone, scope = "tokens", cost = 500)]
async fn constant(reservation: Reservation, Json(used): Json<u64>) {
    reservation.commit(used);
}

#[tokio::test]
async fn a_constant_cost_is_settled_as_well() {
    let (limiter, expected) = (Limiter::new(), Expected::default());
    let router = app(&limiter, &expected).merge(
        Router::new()
            .route("/constant", post(constant))
            .layer(limiter.layer()),
    );
    let response = send(&router, post_json("/constant", &120)).await;
    assert_eq!(
        response.headers()["ratelimit"],
        r#""tokens";r=999880;t=3600"#
    );
    assert_eq!(charged(&router).await, 120);
    // Nothing was used of it, but it counts.
    let bad = send(&router, post_json("/constant", &"no")).await;
    assert_eq!(bad.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(charged(&router).await, 121);
}

#[tokio::test]
async fn what_is_not_limited_reserves_nothing() {
    for limiter in [
        Limiter::builder().enabled(false).build(),
        Limiter::builder().skip_when(|_| true).build(),
    ] {
        let seen = Router::new()
            .route("/", get(optional))
            .layer(limiter.layer());
        assert_eq!(text(send(&seen, request("GET", "/", "")).await).await, "0");
    }
}

#[rate_limit("10/minute", key = everyone, cost = 5)]
async fn optional(reservation: Option<Reservation>) -> String {
    let reservation = reservation.unwrap();
    let reserved = reservation.reserved();
    reservation.commit(7);
    reserved.to_string()
}

#[rate_limit("10/minute", key = everyone, scope = "small", cost = 8)]
async fn small(State(calls): State<Expected>, reservation: Reservation) {
    let _ = calls;
    reservation.commit(8);
}

#[tokio::test]
async fn a_refused_request_settles_nothing() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(small))
        .with_state(Expected::default())
        .layer(limiter.layer());
    assert_eq!(get_status(&router, "/").await, StatusCode::OK);
    for _ in 0..3 {
        let refused = send(&router, request("GET", "/", "")).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["ratelimit"], r#""small";r=2;t=60"#);
    }
    assert_eq!(open(&limiter), 0);
}

#[rate_limit("100/minute", key = everyone, cost = 60, on_unknown = release)]
async fn released_if_unknown(_reservation: Reservation) {}

#[rate_limit("100/minute", key = everyone, cost = 60)]
async fn bounded(State(bound): State<u64>, reservation: Reservation) -> StatusCode {
    reservation.at_least(bound);
    StatusCode::BAD_GATEWAY
}

async fn remaining(router: &Router) -> String {
    let response = send(router, request("GET", "/", "")).await;
    let header = response.headers()["ratelimit"].to_str().unwrap().to_owned();
    header.split(';').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_use_that_is_not_known_is_released_if_the_attribute_says_so() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(released_if_unknown))
        .layer(limiter.layer());
    assert_eq!(remaining(&router).await, "r=100");
}

#[tokio::test]
async fn a_lower_bound_gives_nothing_back_and_may_charge_more() {
    for (bound, left) in [(1, "r=40"), (60, "r=40"), (75, "r=25")] {
        let limiter = Limiter::new();
        let router = Router::new()
            .route("/", get(bounded))
            .with_state(bound)
            .layer(limiter.layer());
        assert_eq!(remaining(&router).await, left, "at least {bound}");
    }
}

#[rate_limit("1000/minute", key = everyone, cost = cost, cap_cost = "50%")]
async fn capped(reservation: Reservation) -> String {
    let reserved = reservation.reserved();
    reservation.commit(700);
    reserved.to_string()
}

fn cost() -> u64 {
    5_000
}

#[rate_limit("1000/minute", key = everyone, cost = units, cap_cost = 300)]
async fn capped_argument(reservation: Reservation, Json(units): Json<u64>) -> String {
    reservation.reserved().to_string()
}

#[tokio::test]
async fn a_capped_cost_is_charged_by_use_beyond_the_cap() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(capped))
        .route("/argument", post(capped_argument))
        .layer(limiter.layer());
    let response = send(&router, request("GET", "/", "")).await;
    assert_eq!(response.headers()["ratelimit"], r#""capped";r=300;t=60"#);
    assert_eq!(text(response).await, "500");
    let response = send(&router, post_json("/argument", &5_000)).await;
    assert_eq!(text(response).await, "300");
    let response = send(&router, post_json("/argument", &7)).await;
    assert_eq!(text(response).await, "7");
}

#[rate_limit("100/minute", key = everyone, name = "requests")]
#[rate_limit("1000/minute", key = everyone, name = "tokens", cost = 400)]
#[rate_limit("50/minute", key = everyone, name = "images", cost = 4)]
async fn several(limit: RateLimit) -> Result<String, UnknownPolicy> {
    let ambiguous = limit.reservation().unwrap_err().to_string();
    limit.only("tokens")?.reservation()?.commit(150);
    limit.only("images")?.reservation()?.release();
    let none = limit.only("requests")?.reservation().unwrap_err();
    let left = ["requests", "tokens", "images"].map(|name| {
        let limit = limit.only(name).unwrap();
        limit.remaining().unwrap()
    });
    assert_eq!(left, [99, 850, 50]);
    Ok(format!("{ambiguous}\n{none}"))
}

#[tokio::test]
async fn with_several_costs_the_application_chooses() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(several))
        .layer(limiter.layer());
    let response = send(&router, request("GET", "/", "")).await;
    let errors = text(response).await;
    assert_eq!(
        errors,
        "several policies of the handler have a cost: take a `RateLimit`, and choose one of \
         `tokens`, `images`, as in `limit.only(\"tokens\")?.reservation()?`\n\
         a `Reservation` needs a policy with a cost: write `cost = …` in the `#[rate_limit(…)]` \
         of the handler"
    );
}

type Alias = Reservation;

#[rate_limit("100/minute", key = everyone)]
async fn without_cost(_: Alias) {}

async fn without_limits(_: Reservation) {}

#[tokio::test]
async fn a_reservation_without_a_cost_is_a_clear_error() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/cost", get(without_cost))
        .layer(limiter.layer())
        .route("/limits", get(without_limits));
    for (path, code) in [("/cost", "unknown_policy"), ("/limits", "no_rate_limit")] {
        let response = send(&router, request("GET", path, "")).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text(response).await.contains(code), "{path}");
    }
}

/// The handler has no attribute: its limits are those of the layer.
async fn under_a_layer(reservation: Reservation) {
    reservation.commit(2);
}

async fn silent_error(reservation: Reservation) -> Response {
    assert_eq!(reservation.reserved(), 30);
    StatusCode::BAD_GATEWAY.into_response()
}

#[tokio::test]
async fn the_cost_of_a_layer_is_settled() {
    let limiter = Limiter::new();
    let layer = limiter
        .limit_layer("tokens", limits!("100/minute"))
        .key(everyone)
        .cost(30);
    let router = Router::new()
        .route("/", get(under_a_layer))
        .route("/error", get(silent_error))
        .layer(layer);
    for left in [98, 96] {
        let response = send(&router, request("GET", "/", "")).await;
        let expected = format!(r#""tokens";r={left};t=60"#);
        assert_eq!(response.headers()["ratelimit"], expected.as_str());
    }
    let response = send(&router, request("GET", "/error", "")).await;
    assert_eq!(response.headers()["ratelimit"], r#""tokens";r=96;t=60"#);
}

#[rate_limit("1000/minute", key = everyone, name = "live", cost = 100)]
#[rate_limit("500/minute", key = everyone, name = "next", cost = 100, dry_run)]
async fn beside_a_dry_run(limit: RateLimit) -> Result<(), UnknownPolicy> {
    limit.reservation()?.commit(30);
    Ok(())
}

fn stats_of(limiter: &Limiter, policy: &str) -> PolicyStats {
    let mut policies = limiter.stats().policies.into_iter();
    policies.find(|found| found.policy == policy).unwrap()
}

#[tokio::test]
async fn rules_in_dry_run_are_settled_beside_the_live_ones() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(beside_a_dry_run))
        .layer(limiter.layer());
    for _ in 0..10 {
        assert_eq!(get_status(&router, "/").await, StatusCode::OK);
    }
    for name in ["live", "next"] {
        let policy = stats_of(&limiter, name);
        let counts = policy.reservations;
        assert_eq!((counts.open, counts.settled), (0, 10), "{name}");
        assert_eq!(
            (counts.used, counts.given_back, counts.forced),
            (300, 700, 0),
            "{name}"
        );
        // Not settled, the sixth request would have been beyond 500.
        assert_eq!(policy.requests.would_limit, 0);
    }
}

/// One bound is above the estimate of the live rule, and below that of the rule in dry run.
#[rate_limit("1000/minute", key = everyone, name = "reserves-100", cost = 100)]
#[rate_limit("5000/minute", key = everyone, name = "reserves-500", cost = 500, dry_run)]
async fn at_least(limit: RateLimit) -> Result<(), UnknownPolicy> {
    limit.reservation()?.at_least(300);
    Ok(())
}

/// The response counts for the rule in dry run alone.
#[rate_limit("1000/minute", key = everyone, name = "excluded", cost = 100, count_when = |_| false)]
#[rate_limit("5000/minute", key = everyone, name = "trial", cost = 500, dry_run)]
async fn counts_in_dry_run(limit: RateLimit) -> Result<(), UnknownPolicy> {
    limit.reservation()?.used(300);
    Ok(())
}

#[tokio::test]
async fn each_rule_is_settled_at_its_own_estimate() {
    let limiter = Limiter::new();
    let counts = |name: &str| {
        let counts = stats_of(&limiter, name).reservations;
        (counts.used, counts.given_back, counts.forced)
    };
    let router = Router::new()
        .route("/", get(at_least))
        .layer(limiter.layer());
    assert_eq!(get_status(&router, "/").await, StatusCode::OK);
    assert_eq!(counts("reserves-100"), (300, 0, 200));
    assert_eq!(counts("reserves-500"), (500, 0, 0));
}

#[tokio::test]
async fn a_rule_in_dry_run_is_settled_although_the_live_one_does_not_count() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(counts_in_dry_run))
        .layer(limiter.layer());
    assert_eq!(get_status(&router, "/").await, StatusCode::OK);
    let counts = |name: &str| {
        let counts = stats_of(&limiter, name).reservations;
        (counts.open, counts.settled, counts.used, counts.given_back)
    };
    assert_eq!(counts("excluded"), (0, 1, 0, 0));
    assert_eq!(counts("trial"), (0, 1, 300, 200));
}

/// The response counts for neither rule, and the stream uses units after its head.
#[rate_limit("1000/minute", key = everyone, name = "not-counted", cost = 100, count_when = |_| false)]
#[rate_limit("5000/minute", key = everyone, name = "trial-not-counted", cost = 100, count_when = |_| false, dry_run)]
async fn streams(limit: RateLimit) -> Result<Body, UnknownPolicy> {
    let frames = stream::iter(["a"; 150]);
    let frames = limit.reservation()?.meter(frames, |_, it| it.add(1));
    Ok(Body::from_stream(frames.map(Ok::<_, Infallible>)))
}

#[tokio::test]
async fn what_count_when_excludes_is_not_charged_when_the_stream_ends() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(streams))
        .layer(limiter.layer());
    let response = send(&router, request("GET", "/", "")).await;
    assert_eq!(text(response).await.len(), 150);
    for name in ["not-counted", "trial-not-counted"] {
        let counts = stats_of(&limiter, name).reservations;
        assert_eq!(
            (counts.open, counts.used, counts.forced),
            (0, 0, 0),
            "{name}"
        );
    }
}

#[rate_limit("100/minute", key = everyone, cost = 40, count_when = counts)]
async fn not_counted(limit: RateLimit) -> Result<StatusCode, UnknownPolicy> {
    let reservation = limit.reservation()?;
    reservation.used(10);
    Ok(StatusCode::NOT_FOUND)
}

fn counts(response: &Response) -> bool {
    response.status().is_success()
}

#[tokio::test]
async fn a_response_that_count_when_excludes_is_not_counted_twice() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(not_counted))
        .layer(limiter.layer());
    for _ in 0..2 {
        assert_eq!(remaining(&router).await, "r=100");
    }
    assert_eq!(open(&limiter), 0);
}

#[rate_limit("100/minute", key = everyone, cost = 40)]
async fn refunded_by_hand(limit: RateLimit) -> Result<(), UnknownPolicy> {
    limit.charge(5).await.unwrap();
    limit.refund(10).await.unwrap();
    limit.reservation()?.commit(20);
    Ok(())
}

/// A reservation says what was used of the estimate; charges of the handler are beside it.
#[tokio::test]
async fn refunds_by_hand_are_not_given_back_twice() {
    let limiter = Limiter::new();
    let router = Router::new()
        .route("/", get(refunded_by_hand))
        .layer(limiter.layer());
    assert_eq!(remaining(&router).await, "r=80");
}

#[tokio::test]
async fn numbers_say_how_far_estimates_are_off() {
    let (limiter, expected) = (Limiter::new(), Expected::default());
    let router = app(&limiter, &expected);
    for (estimate, used) in [(100, 30), (10, 25)] {
        let end = End::Commit;
        run(
            &router,
            &Plan {
                estimate,
                used,
                end,
            },
        )
        .await;
    }
    let stats = limiter.stats();
    let with_some = |policy: &&PolicyStats| policy.reservations.settled > 0;
    let counts = stats.policies.iter().find(with_some).unwrap().reservations;
    assert_eq!((counts.settled, counts.reserved, counts.used), (2, 110, 55));
    assert_eq!((counts.given_back, counts.forced), (70, 15));
}
