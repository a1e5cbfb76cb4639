//! Dry runs with other options, and of layers.

use crate::{app::App, endpoint, requests};
use axum::{Router, extract::Path, routing::get};
use http::{HeaderMap, Method, StatusCode};
use limit_runtime::{Limiter, RateLimit, everyone, limits, rate_limit};
use std::time::Duration;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

fn of(app: &App, name: &str) -> (u64, u64, u64) {
    let counts = requests(&app.limiter, name);
    (counts.total, counts.allowed, counts.would_limit)
}

#[rate_limit("9/minute", key = everyone, cost = body.len(), name = "late-live")]
#[rate_limit("4/minute", key = everyone, cost = body.len(), dry_run, name = "late-dry")]
async fn late(body: String) -> String {
    body
}

#[tokio::test]
async fn a_cost_over_the_arguments_is_charged_after_the_live_charge() {
    let app = App::new(Router::new().route("/", get(late)));
    for (body, status) in [("1234", OK), ("1234567890", LIMITED), ("12345", OK)] {
        let answer = app.send(Method::GET, "/", "192.0.2.1", body).await;
        assert_eq!(answer.status, status, "{body}");
    }
    assert_eq!(of(&app, "late-live"), (3, 2, 0));
    assert_eq!(of(&app, "late-dry"), (2, 1, 1));
    assert_eq!(endpoint(&app.limiter, "/"), (3, 1));
}

#[rate_limit("9/minute", key = everyone, cost = body.len(), dry_run, name = "only-late-dry")]
async fn only_late(body: String) -> String {
    body
}

#[tokio::test]
async fn a_cost_over_the_arguments_without_a_live_rule() {
    let app = App::new(Router::new().route("/", get(only_late)));
    for body in ["12345", "12345", "1234"] {
        assert_eq!(
            app.send(Method::GET, "/", "192.0.2.1", body).await.status,
            OK
        );
    }
    assert_eq!(of(&app, "only-late-dry"), (3, 2, 1));
    assert_eq!(endpoint(&app.limiter, "/"), (3, 0));
}

fn is_error(response: &axum::response::Response) -> bool {
    response.status().is_client_error()
}

#[rate_limit("1/minute", key = everyone, count_when = is_error, dry_run, name = "errors-dry")]
async fn errors(Path(status): Path<u16>) -> StatusCode {
    StatusCode::from_u16(status).unwrap()
}

#[tokio::test]
async fn a_response_that_does_not_count_is_refunded() {
    let app = App::new(Router::new().route("/{status}", get(errors)));
    for path in ["/200", "/200", "/404", "/404"] {
        app.get(path).await;
    }
    assert_eq!(of(&app, "errors-dry"), (4, 3, 1));
}

#[rate_limit("1_000/minute", key = everyone, cost = 0, name = "tokens-live")]
#[rate_limit("10/minute", key = everyone, cost = 0, dry_run, name = "tokens-dry")]
async fn tokens(limit: RateLimit) {
    limit.charge(6).await.unwrap();
    limit.refund(1).await.unwrap();
}

#[tokio::test]
async fn what_a_handler_charges_counts_in_dry_run_as_well() {
    let app = App::new(Router::new().route("/", get(tokens)));
    for _ in 0..3 {
        assert_eq!(app.get("/").await.status, OK);
    }
    assert_eq!(of(&app, "tokens-dry"), (3, 2, 1));
}

#[rate_limit("10/minute", key = everyone, cost = 0, name = "expensive")]
async fn expensive(limit: RateLimit) {
    limit.charge(10).await.unwrap();
}

/// Live, the handler does not run for a request that is refused, and charges nothing.
#[tokio::test]
async fn what_a_handler_charges_for_a_request_that_would_be_refused_does_not_count() {
    let app = |builder| App::with(Router::new().route("/", get(expensive)), builder);
    let live = app(Limiter::builder());
    let dry = app(Limiter::builder().dry_run(true));
    for _ in 0..20 {
        for app in [&live, &dry] {
            app.get("/").await;
            app.clock.advance(Duration::from_secs(31));
        }
    }
    let (live, dry) = (
        requests(&live.limiter, "expensive"),
        requests(&dry.limiter, "expensive"),
    );
    assert_eq!(live.limited, 10);
    assert_eq!(dry.would_limit, live.limited);
}

fn key_a() -> &'static str {
    "k"
}

fn key_b() -> &'static str {
    "k"
}

#[rate_limit("4/minute", key = key_a, scope = "dry-merged", name = "merged-a")]
#[rate_limit("100/hour", key = key_b, scope = "dry-merged", name = "merged-b")]
async fn merged() {}

#[tokio::test]
async fn rules_of_one_budget_count_once_as_they_do_live() {
    let app = |builder| App::with(Router::new().route("/", get(merged)), builder);
    let live = app(Limiter::builder());
    let dry = app(Limiter::builder().dry_run(true));
    for status in [OK, OK, OK, OK, LIMITED] {
        assert_eq!(live.get("/").await.status, status);
        assert_eq!(dry.get("/").await.status, OK);
    }
    for name in ["merged-a", "merged-b"] {
        assert_eq!(of(&dry, name), (5, 4, 1), "{name}");
        assert_eq!(requests(&live.limiter, name).limited, 1, "{name}");
    }
}

async fn tier(headers: HeaderMap) -> Option<limit_runtime::Limits> {
    (!headers.contains_key("x-exempt")).then_some(limits!("1/minute"))
}

#[rate_limit(tier, key = everyone, dry_run, name = "tier-dry", methods = [GET])]
#[rate_limit("2/minute", key = everyone, name = "tier-live")]
async fn tiers() {}

#[tokio::test]
async fn exempt_requests_are_counted_as_such() {
    let app = App::new(Router::new().route("/", get(tiers).post(tiers)));
    app.get("/").await;
    app.send(Method::POST, "/", "192.0.2.1", "").await;
    let counts = requests(&app.limiter, "tier-dry");
    assert_eq!((counts.total, counts.allowed, counts.exempt), (2, 1, 1));
}

#[rate_limit("2/minute", key = everyone, name = "inside-live")]
async fn inside(limit: RateLimit) -> String {
    format!("{:?}", limit.remaining())
}

#[tokio::test]
async fn a_layer_in_dry_run_is_as_if_it_was_not_there() {
    let (limiter, clock) = Limiter::for_test();
    let layer = limiter
        .limit_layer("layer-dry", limits!("1/minute"))
        .key(everyone);
    let app = App {
        router: Router::new().route("/", get(inside)).layer(layer.dry_run()),
        clock,
        limiter,
    };
    for (status, body) in [(OK, "Some(1)"), (OK, "Some(0)")] {
        let answer = app.get("/").await;
        assert_eq!((answer.status, &*answer.body), (status, body));
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"inside-live\";q=2;w=60")
        );
    }
    assert_eq!(app.get("/").await.status, LIMITED);
    assert_eq!(of(&app, "layer-dry"), (3, 1, 2));
    assert_eq!(endpoint(&app.limiter, "/"), (3, 1));
    app.limiter.set_dry_run("layer-dry", false).unwrap();
    assert_eq!(app.get("/").await.status, LIMITED, "by the handler");
    assert_eq!(
        requests(&app.limiter, "layer-dry").limited,
        0,
        "its budget was empty"
    );
    app.get("/").await;
    assert_eq!(requests(&app.limiter, "layer-dry").limited, 1);
}

#[tokio::test]
async fn a_layer_in_dry_run_ignores_a_failed_key_and_refunds_what_does_not_count() {
    let (limiter, clock) = Limiter::for_test();
    let by_key = |headers: HeaderMap| {
        let key = headers
            .get("x-api-key")
            .map(|key| key.to_str().unwrap().to_owned());
        key.ok_or(StatusCode::UNAUTHORIZED)
    };
    let failing = limiter
        .limit_layer("failing-dry", limits!("1/minute"))
        .key(by_key);
    let errors = limiter
        .limit_layer("layer-errors", limits!("1/minute"))
        .key(everyone);
    let app = App {
        router: Router::new()
            .route("/", get(|| async {}))
            .layer(failing.dry_run())
            .layer(errors.count_when(is_error).dry_run()),
        clock,
        limiter,
    };
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(requests(&app.limiter, "failing-dry").rejected, 2);
    assert_eq!(of(&app, "layer-errors"), (2, 2, 0));
}
