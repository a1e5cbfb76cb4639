//! Totals by policy and route.

use crate::{app::App, endpoint, policy, requests};
use axum::{Json, Router, extract::State, routing::get};
use http::{HeaderMap, Method, StatusCode};
use limit_runtime::{
    Limiter, Limits, RateLimit, client_ip, everyone, limits,
    observe::StatsLevel,
    rate_limit,
    store::{CustomStore, Fallback},
};
use serde_json::{Value, json};
use test_support::check_only::CheckOnly;

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[rate_limit("3/minute", key = client_ip, name = "stats-single")]
async fn single() {}

#[tokio::test]
async fn each_request_is_counted_by_policy_route_and_result() {
    let router = Router::new()
        .route("/single/{id}", get(single))
        .route("/alias", get(single));
    let app = App::new(router);
    for _ in 0..3 {
        assert_eq!(app.get("/single/1").await.status, OK);
    }
    assert_eq!(app.get("/single/2").await.status, LIMITED);
    assert_eq!(app.get("/alias").await.status, LIMITED);
    assert_eq!(app.get_from("192.0.2.2", "/alias").await.status, OK);

    let stats = policy(&app.limiter, "stats-single");
    let counts = stats.requests;
    assert_eq!((counts.total, counts.allowed, counts.limited), (6, 4, 2));
    let of_route = |route: &str| {
        let counts = stats.routes[route];
        (counts.total, counts.allowed, counts.limited)
    };
    assert_eq!(stats.routes.len(), 2);
    assert_eq!(of_route("/single/{id}"), (4, 3, 1));
    assert_eq!(of_route("/alias"), (2, 1, 1));
    assert_eq!(endpoint(&app.limiter, "/single/{id}"), (4, 1));
    assert_eq!(endpoint(&app.limiter, "/alias"), (2, 1));
    let totals = app.limiter.stats().totals;
    assert_eq!((totals.total, totals.limited), (6, 2));
    assert_eq!(Limiter::new().stats().totals.total, 0, "another limiter");
}

#[rate_limit("2/minute", key = everyone, name = "stats-first")]
#[rate_limit("9/minute", key = client_ip, name = "stats-second")]
async fn double() {}

/// A request that several policies check is one request to its route.
#[tokio::test]
async fn a_request_is_counted_once_for_its_route_and_once_for_each_policy() {
    let (limiter, _clock) = Limiter::for_test();
    let layer = |name, limits| limiter.limit_layer(name, limits).key(everyone);
    let app = App {
        router: Router::new()
            .route("/double", get(double))
            .layer(layer("stats-inner", limits!("9/minute")))
            .layer(layer("stats-outer", limits!("4/minute"))),
        clock: _clock,
        limiter: limiter.clone(),
    };
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(app.get("/double").await.status);
    }
    assert_eq!(statuses, [OK, OK, LIMITED, LIMITED, LIMITED]);
    assert_eq!(endpoint(&limiter, "/double"), (5, 3));
    let of = |name| {
        let counts = requests(&limiter, name);
        (counts.total, counts.allowed, counts.limited)
    };
    assert_eq!(of("stats-outer"), (5, 4, 1));
    assert_eq!(of("stats-inner"), (4, 4, 0));
    assert_eq!(of("stats-first"), (4, 2, 2));
    assert_eq!(of("stats-second"), (4, 4, 0), "it had room");
}

fn tier(headers: &HeaderMap) -> Option<Limits> {
    (!headers.contains_key("x-exempt")).then_some(limits!("1/minute"))
}

#[rate_limit("1/minute", key = everyone, methods = [POST], name = "stats-method")]
async fn by_method() {}

#[rate_limit(tier, key = everyone, name = "stats-tier")]
#[rate_limit("9/minute", key = everyone, methods = [POST], name = "stats-post")]
async fn by_tier() {}

#[tokio::test]
async fn an_exempt_request_is_counted_as_such() {
    let router = Router::new()
        .route("/method", get(by_method).post(by_method))
        .route("/tier", get(by_tier));
    let builder = Limiter::builder().skip_when(|parts| parts.uri.query() == Some("skip"));
    let app = App::with(router, builder);
    app.get("/method").await;
    app.send(Method::POST, "/method", "192.0.2.1", "").await;
    let counts = requests(&app.limiter, "stats-method");
    assert_eq!((counts.total, counts.allowed, counts.exempt), (2, 1, 1));
    assert_eq!(endpoint(&app.limiter, "/method"), (2, 0));

    app.get("/tier").await;
    app.get("/tier?skip").await;
    let mut exempt = http::Request::get("/tier")
        .body(axum::body::Body::empty())
        .unwrap();
    exempt
        .headers_mut()
        .insert("x-exempt", http::HeaderValue::from_static("1"));
    assert_eq!(app.call(exempt).await.status, OK);
    let counts = requests(&app.limiter, "stats-tier");
    assert_eq!((counts.total, counts.allowed, counts.exempt), (3, 1, 2));
    let counts = requests(&app.limiter, "stats-post");
    assert_eq!((counts.total, counts.exempt), (3, 3));
    assert_eq!(endpoint(&app.limiter, "/tier"), (3, 0));
}

fn failing_key() -> Result<&'static str, StatusCode> {
    Err(StatusCode::UNAUTHORIZED)
}

#[rate_limit("9/minute", key = failing_key, name = "stats-rejecting")]
#[rate_limit("9/minute", key = everyone, name = "stats-beside")]
async fn rejected() {}

#[tokio::test]
async fn a_rejected_request_is_counted_by_the_policy_that_rejects_it() {
    let app = App::new(Router::new().route("/", get(rejected)));
    assert_eq!(app.get("/").await.status, StatusCode::UNAUTHORIZED);
    let counts = requests(&app.limiter, "stats-rejecting");
    assert_eq!((counts.total, counts.rejected), (1, 1));
    let counts = requests(&app.limiter, "stats-beside");
    assert_eq!((counts.total, counts.allowed), (1, 1));
    assert_eq!(endpoint(&app.limiter, "/"), (1, 0));
}

#[rate_limit("5/minute", key = everyone, cost = body.len(), name = "stats-late")]
async fn late(body: String) -> String {
    body
}

#[tokio::test]
async fn a_cost_over_the_arguments_is_counted_once_and_above_capacity_by_itself() {
    let app = App::new(Router::new().route("/", get(late)));
    for (body, status) in [("12", OK), ("123456", LIMITED), ("123", OK), ("1", LIMITED)] {
        let answer = app.send(Method::GET, "/", "192.0.2.1", body).await;
        assert_eq!(answer.status, status, "{body}");
    }
    let counts = requests(&app.limiter, "stats-late");
    assert_eq!((counts.total, counts.allowed), (4, 2));
    assert_eq!((counts.limited, counts.exceeds_capacity), (1, 1));
    assert_eq!(endpoint(&app.limiter, "/"), (4, 2));
}

#[rate_limit("1/minute", key = everyone, name = "stats-charging", cost = 0)]
async fn charging(limit: RateLimit) {
    limit.charge(1).await.unwrap();
}

#[tokio::test]
async fn units_that_a_handler_charges_are_no_requests() {
    let app = App::new(Router::new().route("/", get(charging)));
    assert_eq!(app.get("/").await.status, OK);
    assert_eq!(app.get("/").await.status, LIMITED);
    let counts = requests(&app.limiter, "stats-charging");
    assert_eq!((counts.total, counts.allowed, counts.limited), (2, 1, 1));
}

#[rate_limit("9/minute", key = everyone, name = "stats-deny", on_store_error = deny)]
async fn deny() {}

#[rate_limit("1/minute", key = everyone, name = "stats-local", on_store_error = local)]
async fn local() {}

#[rate_limit("9/minute", key = everyone, name = "stats-allow", on_store_error = allow)]
async fn allow() {}

#[tokio::test]
async fn an_outage_of_the_store_is_counted_by_what_the_fallback_does() {
    let router = Router::new()
        .route("/deny", get(deny))
        .route("/local", get(local))
        .route("/allow", get(allow));
    let store = CustomStore::new(CheckOnly::UNREACHABLE).fallback(Fallback::Deny);
    let app = App::with(router, Limiter::builder().store(store));
    assert_eq!(
        app.get("/deny").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(app.get("/local").await.status, OK);
    assert_eq!(app.get("/local").await.status, LIMITED);
    assert_eq!(app.get("/allow").await.status, OK);
    let counts = requests(&app.limiter, "stats-deny");
    assert_eq!((counts.total, counts.store_errors), (1, 1));
    let counts = requests(&app.limiter, "stats-local");
    assert_eq!((counts.total, counts.fallback, counts.limited), (2, 1, 1));
    let counts = requests(&app.limiter, "stats-allow");
    assert_eq!((counts.total, counts.fallback), (1, 1));
    assert_eq!(endpoint(&app.limiter, "/deny"), (1, 1));
    assert!(app.limiter.stats().store.failed > 0);
    assert!(app.limiter.stats().usage.is_none());
}

#[rate_limit("1/minute", key = everyone, name = "stats-off")]
async fn off() {}

#[tokio::test]
async fn nothing_is_counted_if_counting_is_off_or_the_limiter_disabled() {
    for builder in [
        Limiter::builder().stats(StatsLevel::Off),
        Limiter::builder().enabled(false),
    ] {
        let app = App::with(Router::new().route("/", get(off)), builder);
        app.get("/").await;
        app.get("/").await;
        assert_eq!(requests(&app.limiter, "stats-off").total, 0);
        assert_eq!(app.limiter.stats().totals.total, 0);
    }
}

/// The endpoint of the guide.
#[tokio::test]
async fn totals_and_refused_requests_by_endpoint_take_a_few_lines() {
    async fn metrics(State(limiter): State<Limiter>) -> Json<Value> {
        let stats = limiter.stats();
        let endpoints = stats.endpoints.iter().map(|(path, seen)| {
            let seen = json!({ "total": seen.total, "limited": seen.limited });
            (path.clone(), seen)
        });
        Json(json!({
            "total_requests": stats.totals.total,
            "limited_requests": stats.totals.limited,
            "endpoints": serde_json::Map::from_iter(endpoints),
        }))
    }
    let (limiter, clock) = Limiter::for_test();
    let router = Router::new()
        .route("/off", get(off))
        .route("/metrics", get(metrics))
        .layer(limiter.layer())
        .with_state(limiter.clone());
    let app = App {
        router,
        clock,
        limiter,
    };
    app.get("/off").await;
    app.get("/off").await;
    let metrics: Value = serde_json::from_str(&app.get("/metrics").await.body).unwrap();
    let expected = json!({
        "total_requests": 2,
        "limited_requests": 1,
        "endpoints": { "/off": { "total": 2, "limited": 1 } },
    });
    assert_eq!(metrics, expected);
}

#[tokio::test]
async fn threads_lose_no_request() {
    let app = App::new(Router::new().route("/", get(late)));
    let app = &app;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    for _ in 0..250 {
                        app.get("/").await;
                    }
                });
            });
        }
    });
    assert_eq!(requests(&app.limiter, "stats-late").total, 1_000);
    assert_eq!(endpoint(&app.limiter, "/").0, 1_000);
}

#[rate_limit("1/second", key = everyone, wait = "2s", name = "stats-waiting")]
async fn waiting() {}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_for_room_is_counted_as_such() {
    let builder = Limiter::builder().clock(limit_runtime::clock::Clock::tokio());
    let limiter = builder.build();
    let router = Router::new()
        .route("/", get(waiting))
        .layer(limiter.layer());
    for _ in 0..2 {
        let request = http::Request::get("/")
            .body(axum::body::Body::empty())
            .unwrap();
        assert_eq!(
            test_support::requests::send(&router, request)
                .await
                .status(),
            OK
        );
    }
    let counts = requests(&limiter, "stats-waiting");
    assert_eq!((counts.total, counts.allowed, counts.waited), (2, 2, 1));
}
