//! What identifies the budget of a layer, and its options: as on handlers.

use crate::app::{Answer, App};
use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, Request, StatusCode};
use limit_runtime::{
    IntoKey, Limiter, Limits, RateLimit, RateLimitLayer,
    clock::Clock,
    everyone, limits, rate_limit, route,
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

async fn free() {}

fn app(router: impl FnOnce(&Limiter) -> Router) -> App {
    let (limiter, clock) = Limiter::for_test();
    App {
        router: router(&limiter),
        clock,
        limiter,
    }
}

async fn statuses<const N: usize>(app: &App, path: &str) -> [StatusCode; N] {
    let mut statuses = [OK; N];
    for status in &mut statuses {
        *status = app.get(path).await.status;
    }
    statuses
}

#[tokio::test]
async fn layers_of_one_helper_function_have_the_budgets_of_their_names() {
    fn guarded(name: &'static str, limiter: &Limiter, limits: Limits) -> Router {
        let layer = limiter.limit_layer(name, limits).key(everyone);
        Router::new()
            .route(&format!("/{name}"), get(free))
            .layer(layer)
    }
    let app = app(|limiter| {
        guarded("cheap", limiter, limits!("100/minute")).merge(guarded(
            "dear",
            limiter,
            limits!("5/minute"),
        ))
    });
    assert_eq!(statuses(&app, "/cheap").await, [OK; 6]);
    assert_eq!(statuses(&app, "/dear").await, [OK; 5]);
    assert_eq!(app.get("/dear").await.status, LIMITED);
}

#[tokio::test]
async fn layers_of_one_name_share_its_budget_wherever_they_are_made() {
    let app = app(|limiter| {
        let first = limiter
            .limit_layer("app", limits!("2/minute"))
            .key(everyone);
        let second = limiter
            .limit_layer("app", limits!("2/minute"))
            .key(everyone);
        let second = Router::new().route("/b", get(free)).layer(second);
        Router::new()
            .route("/a", get(free))
            .layer(first)
            .merge(second)
    });
    assert_eq!(statuses(&app, "/a").await, [OK]);
    assert_eq!(statuses(&app, "/b").await, [OK, LIMITED]);
    assert_eq!(statuses(&app, "/a").await, [LIMITED]);
}

#[tokio::test]
async fn the_budget_of_a_layer_is_never_that_of_something_else_with_its_name() {
    #[rate_limit("1/minute", scope = "app", key = everyone)]
    async fn scoped() {}

    let app = app(|limiter| {
        let layer = |name| limiter.limit_layer(name, limits!("1/minute")).key(everyone);
        let routed = Router::new()
            .route("/routed", get(free))
            .layer(layer("app").scope(route));
        Router::new()
            .route("/scoped", get(scoped))
            .route("/free", get(free))
            .layer(layer("app"))
            .merge(routed)
    });
    let limits = limits!("1/minute");
    assert_eq!(app.get("/scoped").await.status, OK);
    assert_eq!(app.get("/routed").await.status, OK);
    for scope in [
        Scope::handler("app", "everyone"),
        Scope::handler("app", "everyone").on_route("/routed"),
        Scope::shared("\u{1}layer"),
    ] {
        let decision = app
            .limiter
            .check(&limits, everyone().into_key())
            .scope(scope);
        assert!(decision.await.unwrap().is_allowed(), "{scope:?}");
    }
    // These are the ones that the requests have used.
    let key = everyone().into_key();
    for scope in [
        Scope::shared("app"),
        Scope::layer("app"),
        Scope::layer("app").on_route("/routed"),
    ] {
        let charge = Charge::new(scope, &key, &limits);
        let outcome = app.limiter.consume_now(&charge).unwrap();
        assert!(!outcome.is_allowed(), "{scope:?}");
    }
}

#[tokio::test]
async fn the_budget_of_a_route_is_that_of_its_full_template() {
    let app = app(|limiter| {
        let layer = || {
            let layer = limiter.limit_layer("app", limits!("1/minute"));
            layer.key(everyone).scope(route)
        };
        let items = || Router::new().route("/items/{id}", get(free));
        Router::new()
            .nest("/a", items().fallback(free).layer(layer()))
            .nest("/b", items().layer(layer()))
            .nest_service("/c", items().layer(layer()))
    });
    for path in ["/a", "/b", "/c"] {
        assert_eq!(statuses(&app, &format!("{path}/items/1")).await, [OK]);
        assert_eq!(statuses(&app, &format!("{path}/items/2")).await, [LIMITED]);
    }
    // Where no route has matched, it is the layer's own, whatever the path.
    assert_eq!(statuses(&app, "/a/missing").await, [OK]);
    assert_eq!(statuses(&app, "/a/other").await, [LIMITED]);
}

#[tokio::test]
async fn a_scope_function_shares_the_budgets_of_handlers() {
    async fn model(Path(model): Path<String>) -> String {
        model
    }
    #[rate_limit("1/minute", scope = model, key = everyone)]
    async fn predict() {}

    let app = app(|limiter| {
        let layer = limiter.limit_layer("embed", limits!("1/minute"));
        Router::new()
            .route("/{model}/embed", get(free))
            .layer(layer.key(everyone).scope(model))
            .route("/{model}/predict", get(predict))
            .layer(limiter.layer())
    });
    assert_eq!(statuses(&app, "/iris/embed").await, [OK]);
    assert_eq!(statuses(&app, "/iris/predict").await, [LIMITED]);
    assert_eq!(statuses(&app, "/wine/predict").await, [OK]);
    assert_eq!(statuses(&app, "/wine/embed").await, [LIMITED]);
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
async fn a_charge_stays_where_there_is_no_response() {
    let (limiter, _clock) = Limiter::for_test();
    let layer = limiter
        .limit_layer("app", limits!("3/minute"))
        .key(everyone);
    let layer = layer.count_when(|_| false);
    let remaining = || {
        let (key, limits) = (everyone().into_key(), limits!("3/minute"));
        let charge = Charge::new(Scope::layer("app"), &key, &limits).cost(0);
        limiter.consume_now(&charge).unwrap().remaining()
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
async fn the_layer_that_refuses_answers_in_its_own_words() {
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
async fn an_answer_of_the_layers_own_goes_before_that_of_the_limiter() {
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

/// Looks at its limits, charges and refunds: what is left, and how many outcomes there are.
async fn look(limit: RateLimit) -> Json<(Option<u64>, usize)> {
    limit.charge(7).await.unwrap();
    limit.refund(7).await.unwrap();
    assert!(limit.only("app").is_ok());
    Json((limit.remaining(), limit.outcomes().len()))
}

#[tokio::test]
async fn where_a_layer_does_not_apply_the_handle_is_empty() {
    fn unlimited() -> Option<Limits> {
        None
    }
    let (limiter, clock) = Limiter::for_test();
    let disabled = Limiter::builder().enabled(false).build();
    let layer = || limiter.limit_layer("app", limits!("1/minute"));
    for layer in [
        disabled.limit_layer("app", limits!("1/minute")),
        limiter.limit_layer("app", unlimited),
        layer().except("/"),
        layer().methods([http::Method::POST]),
        layer().skip_when(|_| true),
    ] {
        let app = App {
            router: Router::new().route("/", get(look)).layer(layer.clone()),
            clock: clock.clone(),
            limiter: limiter.clone(),
        };
        for _ in 0..3 {
            let answer = app.get("/").await;
            let found = (answer.status, answer.body.as_str());
            assert_eq!(found, (OK, "[null,0]"), "{layer:?}");
        }
    }
}

#[tokio::test]
async fn where_an_inner_layer_does_not_apply_the_handle_is_that_of_the_outer_one() {
    let app = app(|limiter| {
        let inner = limiter
            .limit_layer("inner", limits!("1/minute"))
            .except("/");
        let outer = limiter.limit_layer("app", limits!("9/minute"));
        Router::new()
            .route("/", get(look))
            .layer(inner)
            .layer(outer)
    });
    assert_eq!(app.get("/").await.body, "[8,1]");
    assert_eq!(app.get("/").await.body, "[7,1]");
}

/// A handler that charges the layer for tokens is used with clients that this layer exempts.
#[tokio::test]
async fn an_inner_layer_that_exempts_is_known_by_its_name_and_hides_the_outer_one() {
    async fn complete(limit: RateLimit) -> Json<Option<u64>> {
        let tokens = limit.only("tokens").unwrap();
        tokens.charge(7).await.unwrap();
        Json(tokens.remaining())
    }
    async fn charge(limit: RateLimit) -> Json<Option<u64>> {
        limit.charge(7).await.unwrap();
        Json(limit.remaining())
    }
    let tier = |headers: &HeaderMap| match headers.get("x-internal") {
        Some(_) => None,
        None => Some(limits!("100/minute")),
    };
    let app = app(|limiter| {
        let inner = limiter.limit_layer("tokens", tier).key(everyone);
        let outer = limiter
            .limit_layer("requests", limits!("9/minute"))
            .key(everyone);
        let skipping = inner
            .clone()
            .skip_when(|parts| parts.headers.contains_key("x-internal"));
        Router::new()
            .route("/complete", get(complete))
            .route("/charge", get(charge))
            .layer(inner)
            .route("/skip", get(complete).layer(skipping))
            .layer(outer)
    });
    for (path, header, body, left) in [
        ("/complete", "x-other", "92", 8),
        ("/complete", "x-internal", "null", 7),
        ("/charge", "x-internal", "null", 6),
        ("/skip", "x-internal", "null", 5),
    ] {
        let request = http::Request::get(path).header(header, "1");
        let answer = app.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (OK, body), "{path}");
        // That of the outer layer is the strictest.
        let found = answer.header("ratelimit").unwrap();
        let expected = format!("\"requests\";r={left};");
        assert!(found.starts_with(&expected), "{path} {header}: {found}");
    }
}

#[tokio::test]
async fn an_exempt_layer_changes_nothing_for_a_handler_with_limits() {
    #[rate_limit("2/minute")]
    async fn own(limit: RateLimit) -> Json<Option<u64>> {
        Json(limit.remaining())
    }
    let app = app(|limiter| {
        let layer = limiter.limit_layer("app", limits!("1/minute"));
        Router::new().route("/", get(own)).layer(layer.except("/"))
    });
    let first = app.get("/").await;
    assert_eq!(first.body, "1");
    assert_eq!(first.header("ratelimit"), Some(r#""own";r=1;t=60"#));
    assert_eq!(statuses(&app, "/").await, [OK, LIMITED]);
}
