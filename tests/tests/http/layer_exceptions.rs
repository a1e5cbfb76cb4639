//! Routes that a layer exempts, however its router is nested.

use crate::app::App;
use axum::{Router, routing::get};
use http::{Method, StatusCode};
use limit_runtime::{Limiter, clock::TestClock, everyone, layer::RateLimitLayer, limits};
use std::convert::Infallible;
use tower::{Layer, service_fn};

const OK: StatusCode = StatusCode::OK;
const LIMITED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

async fn free() {}

/// A limiter, and a layer of it that lets one request through a minute, but for these exceptions.
fn layer(exceptions: &[&str]) -> (Limiter, TestClock, RateLimitLayer) {
    let (limiter, clock) = Limiter::for_test();
    let layer = limiter
        .limit_layer("app", limits!("1/minute"))
        .key(everyone);
    let except = |layer: RateLimitLayer, route: &&str| layer.except(*route);
    let layer = exceptions.iter().fold(layer, except);
    (limiter, clock, layer)
}

/// `exempt` is exempt by each of `exceptions`, and other paths are limited all the same.
async fn assert_exempt(
    exceptions: &[&str],
    exempt: &str,
    limited: &str,
    app: impl Fn(RateLimitLayer) -> Router,
) {
    for exception in exceptions {
        let (limiter, clock, layer) = layer(&[exception]);
        let app = App {
            router: app(layer),
            clock,
            limiter,
        };
        for _ in 0..3 {
            let answer = app.get(exempt).await;
            assert_ne!(
                answer.status, LIMITED,
                "{exception} does not exempt {exempt}"
            );
            assert_eq!(answer.header("ratelimit"), None, "{exception} {exempt}");
        }
        let head = app.send(Method::HEAD, exempt, "192.0.2.1", "").await;
        assert_ne!(head.status, LIMITED, "{exception} HEAD {exempt}");
        assert_ne!(
            app.get(limited).await.status,
            LIMITED,
            "{exception} {limited}"
        );
        assert_eq!(
            app.get(limited).await.status,
            LIMITED,
            "{exception} {limited}"
        );
    }
}

fn routes() -> Router {
    Router::new()
        .route("/", get(free))
        .route("/health", get(free))
        .route("/health/", get(free))
        .route("/items/{id}", get(free))
        .route("/files/{*path}", get(free))
}

#[tokio::test]
async fn a_route_of_a_router_that_is_not_nested() {
    for (exception, exempt, limited) in [
        ("/", "/", "/health"),
        ("/health", "/health", "/health/"),
        ("/health/", "/health/", "/health"),
        ("/items/{id}", "/items/7", "/health"),
        ("/files/{*path}", "/files/a/b", "/"),
        ("/missing", "/missing", "/missing/"),
        ("/missing", "/missing?query", "/other"),
    ] {
        assert_exempt(&[exception], exempt, limited, |layer| routes().layer(layer)).await;
    }
}

#[tokio::test]
async fn a_route_of_a_nested_router_is_named_as_seen_there_or_in_full() {
    for at in ["/api", "/api/"] {
        for (here, exempt, limited) in [
            ("/health", "/api/health", "/api/health/"),
            ("/health/", "/api/health/", "/api/health"),
            ("/items/{id}", "/api/items/7", "/api/health"),
            ("/files/{*path}", "/api/files/a/b", "/api/health"),
        ] {
            let exceptions = [here, &format!("/api{here}")];
            let app = |layer| Router::new().nest(at, routes().layer(layer));
            assert_exempt(&exceptions, exempt, limited, app).await;
        }
        let app = |layer| Router::new().nest(at, routes().layer(layer));
        assert_exempt(&["/", "/api", "/api/"], at, "/api/health", app).await;
    }
}

#[tokio::test]
async fn a_route_of_a_router_that_is_nested_twice() {
    let app = |layer| {
        let inner = Router::new().nest("/v1", routes().layer(layer));
        Router::new().nest("/api", inner)
    };
    let exceptions = ["/health", "/api/v1/health"];
    assert_exempt(&exceptions, "/api/v1/health", "/api/v1", app).await;
    assert_exempt(&["/", "/api/v1"], "/api/v1", "/api/v1/health", app).await;

    let around_the_inner_router = |layer| {
        let inner = Router::new().nest("/v1", routes()).layer(layer);
        Router::new().nest("/api", inner)
    };
    let exceptions = ["/v1/health", "/api/v1/health"];
    assert_exempt(
        &exceptions,
        "/api/v1/health",
        "/api/v1",
        around_the_inner_router,
    )
    .await;

    let around_all = |layer| {
        let inner = Router::new().nest("/v1", routes());
        Router::new().nest("/api", inner).layer(layer)
    };
    assert_exempt(&["/api/v1/health"], "/api/v1/health", "/api/v1", around_all).await;
}

#[tokio::test]
async fn a_route_below_parameters() {
    let app = |layer| {
        let inner = Router::new().nest("/{project}", routes().layer(layer));
        Router::new().nest("/{tenant}", inner)
    };
    for exceptions in [
        ["/health", "/{tenant}/{project}/health"],
        ["/items/{id}", "/{tenant}/{project}/items/{id}"],
    ] {
        let path = exceptions[0].replace("{id}", "7");
        let exempt = format!("/acme/apollo{path}");
        assert_exempt(&exceptions, &exempt, "/acme/apollo/files/a", app).await;
    }
}

#[tokio::test]
async fn a_route_of_a_nested_service() {
    for at in ["/api", "/api/"] {
        let inside = |layer| Router::new().nest_service(at, routes().layer(layer));
        let exceptions = ["/health", "/api/health"];
        assert_exempt(&exceptions, "/api/health", "/api/items/7", inside).await;
        assert_exempt(&["/", "/api", "/api/"], at, "/api/health", inside).await;
        let exceptions = ["/missing", "/api/missing"];
        assert_exempt(&exceptions, "/api/missing", "/api/other", inside).await;

        let around = |layer| Router::new().nest_service(at, routes()).layer(layer);
        assert_exempt(&["/api/health"], "/api/health", "/api/items/7", around).await;

        let plain = |layer: RateLimitLayer| {
            let service = service_fn(|_: axum::extract::Request| async {
                Ok::<_, Infallible>(http::Response::new(axum::body::Body::empty()))
            });
            Router::new().nest_service(at, layer.layer(service))
        };
        let exceptions = ["/health", "/api/health"];
        assert_exempt(&exceptions, "/api/health", "/api/items/7", plain).await;
    }
    // Seen from `/api/`, both are its root.
    let inside = |layer| Router::new().nest_service("/api", routes().layer(layer));
    assert_exempt(&["/", "/api"], "/api/", "/api/health", inside).await;
}

#[tokio::test]
async fn a_path_in_a_fallback() {
    let fallback = |layer| {
        let inner = routes().fallback(free).layer(layer);
        Router::new().nest("/api", inner)
    };
    let exceptions = ["/missing", "/api/missing"];
    assert_exempt(&exceptions, "/api/missing", "/api/other", fallback).await;

    let below_a_parameter = |layer| {
        let inner = routes().fallback(free).layer(layer);
        Router::new().nest("/t/{tenant}", inner)
    };
    let exceptions = ["/missing", "/t/{tenant}/missing"];
    assert_exempt(
        &exceptions,
        "/t/acme/missing",
        "/t/acme/other",
        below_a_parameter,
    )
    .await;

    let service = |layer| Router::new().fallback_service(routes().layer(layer));
    assert_exempt(&["/health"], "/health", "/items/7", service).await;
}

#[tokio::test]
async fn an_exception_does_not_exempt_other_routes() {
    for (exception, path) in [
        ("/health", "/api/health"),
        ("/health", "/api/healthy"),
        ("/api", "/api/health"),
        ("/", "/api/health"),
        ("/api/health", "/api/health/"),
        ("/api/items/7", "/api/items/7"),
        ("", "/api"),
    ] {
        let (limiter, clock, layer) = layer(&[exception]);
        let router = Router::new()
            .nest("/api", routes())
            .route("/api/healthy", get(free))
            .layer(layer);
        let app = App {
            router,
            clock,
            limiter,
        };
        assert_eq!(app.get(path).await.status, OK, "{exception} {path}");
        assert_eq!(app.get(path).await.status, LIMITED, "{exception} {path}");
    }
}
