//! Requests to a router under a limiter with a clock of its own.

use axum::Router;
use axum::body::Body;
use axum::handler::Handler;
use axum::routing::any;
use http::{Request, StatusCode};
use limit_runtime::Limiter;
use limit_runtime::clock::TestClock;
pub(crate) use test_support::requests::{request, send, text};

/// The router under a limiter of its own.
pub(crate) fn limited(router: Router) -> Router {
    let limiter = Limiter::builder().clock(TestClock::new()).build();
    router.layer(limiter.layer())
}

/// A handler at `/`, under a limiter of its own.
pub(crate) fn routed<H: Handler<T, ()>, T: 'static>(handler: H) -> Router {
    limited(Router::new().route("/", any(handler)))
}

pub(crate) fn get() -> Request<Body> {
    request("GET", "/", "")
}

pub(crate) fn json(body: &str) -> Request<Body> {
    with(
        request("POST", "/", body.to_owned()),
        "content-type",
        "application/json",
    )
}

pub(crate) fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

pub(crate) async fn status(router: &Router, request: Request<Body>) -> u16 {
    send(router, request).await.status().as_u16()
}

/// Under a limit of 2, two requests are let through and the third is not.
pub(crate) async fn third_is_429<H: Handler<T, ()>, T: 'static>(
    handler: H,
    request: impl Fn() -> Request<Body>,
) {
    third_of_router_is_429(&routed(handler), request).await;
}

pub(crate) async fn third_of_router_is_429(router: &Router, request: impl Fn() -> Request<Body>) {
    for _ in 0..2 {
        let status = send(router, request()).await.status();
        assert!(
            status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS,
            "{status}"
        );
    }
    assert_eq!(status(router, request()).await, 429);
}
