//! The options of a layer, which are those of handlers.

use crate::app::{Answer, App};
use axum::{
    Router,
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, Request, StatusCode};
use limit_runtime::{
    IntoKey, Limiter, Limits, RateLimit,
    clock::Clock,
    everyone,
    layer::RateLimitLayer,
    limits, rate_limit,
    store::{Charge, Scope},
};
use std::{
    convert::Infallible,
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;

pub(crate) async fn free() {}

pub(crate) fn app(router: impl FnOnce(&Limiter) -> Router) -> App {
    let (limiter, clock) = Limiter::for_test();
    App {
        router: router(&limiter),
        clock,
        limiter,
    }
}
/// The statuses of `N` requests, one after another.
pub(crate) async fn statuses<const N: usize>(app: &App, path: &str) -> [StatusCode; N] {
    let mut statuses = [OK; N];
    for status in &mut statuses {
        *status = app.get(path).await.status;
    }
    statuses
}

#[tokio::test]
async fn only_responses_that_count_are_counted() {
    async fn status(Path(status): Path<u16>) -> StatusCode {
        StatusCode::from_u16(status).unwrap()
    }
    let app = app(|limiter| {
        let errors = limiter.limit_layer("errors", limits!("2/minute"));
        let successes = limiter.limit_layer("successes", limits!("3/minute"));
        Router::new()
            .route("/{status}", get(status))
            .layer(successes.count_when(|response| response.status().is_success()))
            .layer(errors.count_when(|response| response.status().is_client_error()))
    });
    assert_eq!(statuses(&app, "/200").await, [OK, OK]);
    assert_eq!(statuses(&app, "/403").await, [FORBIDDEN]);
    let third = app.get("/200").await;
    assert_eq!(third.status, OK);
    assert_eq!(third.header("ratelimit"), Some(r#""successes";r=0;t=60"#));
    // The refusal of the inner layer is an error to the outer one.
    assert_eq!(statuses(&app, "/200").await, [LIMITED]);
    let refused = app.get("/403").await;
    assert_eq!(refused.status, LIMITED);
    assert!(refused.body.contains(r#"["errors"]"#), "{}", refused.body);
}

#[tokio::test]
async fn a_charge_is_kept_when_there_is_no_response() {
    let (limiter, _clock) = Limiter::for_test();
    let layer = limiter
        .limit_layer("app", limits!("3/minute"))
        .key(everyone);
    let layer = layer.count_when(|_| false);
    let remaining = || {
        let (key, limits) = (everyone().into_key(), limits!("3/minute"));
        let charge = Charge::new(Scope::layer("app"), &key, &limits).cost(0);
        limiter.try_check(&charge).unwrap().outcomes()[0].remaining()
    };
    let request = || Request::new(String::new());

    let answers = service_fn(|_| async { Ok::<_, BoxError>(http::Response::new(String::new())) });
    layer.layer(answers).oneshot(request()).await.unwrap();
    assert_eq!(remaining(), 3, "a response that does not count");

    let fails = service_fn(|_| async { Err::<http::Response<String>, _>(BoxError::from("no")) });
    layer.layer(fails).oneshot(request()).await.unwrap_err();
    assert_eq!(remaining(), 2, "an inner service that fails");

    let panics = service_fn(|request: Request<String>| async move {
        assert!(!request.body().is_empty(), "on purpose");
        Ok::<_, BoxError>(http::Response::new(String::new()))
    });
    let task = tokio::spawn(layer.layer(panics).oneshot(request()));
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(remaining(), 1, "an inner service that panics");

    let hangs = service_fn(|_| pending::<Result<http::Response<String>, BoxError>>());
    {
        // Dropped as when the client disconnects.
        let mut call = pin!(layer.layer(hangs).oneshot(request()));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    assert_eq!(remaining(), 0, "a client that disconnects");
}

#[tokio::test]
async fn the_layer_that_refuses_sends_its_own_response() {
    async fn status(Path(status): Path<u16>) -> StatusCode {
        StatusCode::from_u16(status).unwrap()
    }
    #[rate_limit("3/minute", on_limited = of_handler)]
    async fn own() {}
    fn of_handler(_: &limit_runtime::Exceeded<'_>) -> Response {
        (LIMITED, "handler").into_response()
    }

    let words = String::from("outer");
    let refusals = Arc::new(AtomicUsize::new(0));
    let counter = refusals.clone();
    let app = app(move |limiter| {
        let inner = limiter.limit_layer("inner", limits!("1/minute"));
        let outer = limiter.limit_layer("outer", limits!("5/minute"));
        let inner = Router::new()
            .route("/{status}", get(status))
            .layer(inner.on_limited(|exceeded| (LIMITED, format!("inner: {}", exceeded.cost()))));
        inner
            .route("/own", get(own))
            .layer(outer.on_limited(move |exceeded| {
                counter.fetch_add(1, Ordering::Relaxed);
                let policies: Vec<_> = exceeded.violated_policies().collect();
                let wait = exceeded.retry_after_secs();
                (LIMITED, format!("{words} {policies:?} {wait:?}"))
            }))
    });
    assert_eq!(statuses(&app, "/200").await, [OK]);
    let words = async |path: &str| {
        let Answer { status, body, .. } = app.get(path).await;
        assert_eq!(status, LIMITED);
        body
    };
    assert_eq!(words("/200").await, "inner: 1");
    assert_eq!(statuses(&app, "/own").await, [OK; 3]);
    assert_eq!(refusals.load(Ordering::Relaxed), 0);
    assert_eq!(words("/own").await, r#"outer ["outer"] Some(60)"#);
    assert_eq!(words("/200").await, r#"outer ["outer"] Some(60)"#);
    assert_eq!(refusals.load(Ordering::Relaxed), 2);
    let other = async |path: &str| app.get_from("192.0.2.2", path).await;
    for _ in 0..3 {
        assert_eq!(other("/own").await.status, OK);
    }
    assert_eq!(other("/own").await.body, "handler");
}

#[tokio::test]
async fn on_limited_of_a_layer_takes_precedence_over_that_of_the_limiter() {
    let limiter = Limiter::builder()
        .on_limited(|_| (LIMITED, "limiter"))
        .build();
    let layer = |name| limiter.limit_layer(name, limits!("1/minute")).key(everyone);
    let answers = service_fn(|_| async { Ok::<_, Infallible>(http::Response::new(String::new())) });
    let own = layer("own").on_limited(|_| (LIMITED, "layer"));
    for (layer, words) in [(own, "layer"), (layer("plain"), "limiter")] {
        let service = layer.layer(answers);
        let call = async || {
            let response = service.clone().oneshot(Request::new(String::new())).await;
            let response: Response = response.unwrap();
            let status = response.status();
            let body = axum::body::to_bytes(response.into_body(), 100)
                .await
                .unwrap();
            (status, body)
        };
        assert_eq!(call().await.0, OK);
        assert_eq!(call().await, (LIMITED, words.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_wait_at_nested_layers_and_any_service() {
    let limiter = Limiter::builder().clock(Clock::tokio()).build();
    let layer = |name, limits: Limits| limiter.limit_layer(name, limits).key(everyone);
    let inner = layer("inner", limits!("1/second")).wait(Duration::from_secs(2));
    let outer = layer("outer", limits!("4/minute")).wait(Duration::from_secs(1));
    let answers = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(http::Response::new(Body::empty()))
    });
    let router: Router = Router::new()
        .fallback_service(inner.layer(answers))
        .layer(outer);
    let start = Instant::now();
    for (status, seconds) in [(OK, 0), (OK, 1), (OK, 2), (OK, 3), (LIMITED, 3)] {
        let response = router.clone().oneshot(Request::new(Body::empty())).await;
        assert_eq!(response.unwrap().status(), status);
        assert_eq!(start.elapsed(), Duration::from_secs(seconds));
    }
}

fn weighted(layer: impl FnOnce(RateLimitLayer) -> RateLimitLayer) -> App {
    app(|limiter| {
        let limits = limit_runtime::limits!("3/hour");
        let weighted = layer(limiter.limit_layer("weighted", limits));
        Router::new().route("/", get(free)).layer(weighted)
    })
}

#[tokio::test]
async fn a_computed_cost_of_zero_counts_as_one() {
    fn weight(_: &HeaderMap) -> u32 {
        0
    }
    let app = weighted(|layer| layer.cost(weight));
    assert_eq!(statuses(&app, "/").await, [OK, OK, OK, LIMITED]);
    let app = weighted(|layer| layer.cost(|| async { Ok::<_, StatusCode>(0_usize) }));
    assert_eq!(statuses(&app, "/").await, [OK, OK, OK, LIMITED]);
    let app = weighted(|layer| layer.cost(|| 3_u64));
    assert_eq!(statuses(&app, "/").await, [OK, LIMITED]);
}

#[tokio::test]
async fn a_constant_cost_of_zero_leaves_the_charge_to_the_handler() {
    async fn charge(limit: RateLimit) {
        limit.charge(2).await.unwrap();
    }
    let app = app(|limiter| {
        let layer = limiter.limit_layer("used", limits!("3/hour")).cost(0_u32);
        Router::new()
            .route("/", get(free))
            .route("/charge", get(charge))
            .layer(layer)
    });
    assert_eq!(statuses(&app, "/").await, [OK; 5]);
    assert_eq!(statuses(&app, "/charge").await, [OK, OK, LIMITED]);
    assert_eq!(statuses(&app, "/").await, [LIMITED]);
}

#[tokio::test]
async fn a_request_whose_cost_function_fails_is_counted() {
    fn weight(headers: &HeaderMap) -> Result<u32, StatusCode> {
        let weight = headers.get("x-weight").ok_or(FORBIDDEN)?;
        weight.to_str().unwrap().parse().map_err(|_| FORBIDDEN)
    }
    let app = weighted(|layer| layer.cost(weight));
    let expected = [FORBIDDEN, FORBIDDEN, FORBIDDEN, LIMITED];
    assert_eq!(statuses(&app, "/").await, expected);

    let app = weighted(|layer| {
        let counts = |response: &Response| response.status() != FORBIDDEN;
        layer.cost(weight).count_when(counts)
    });
    assert_eq!(statuses(&app, "/").await, [FORBIDDEN; 9]);
    let answer = app.get("/").await;
    assert_eq!(answer.header("ratelimit"), Some(r#""weighted";r=3;t=0"#));
}
