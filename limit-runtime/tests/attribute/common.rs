//! Requests to a router, and a limiter with a clock of its own.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, StatusCode};
use limit_runtime::Limiter;
use limit_runtime::clock::TestClock;
use std::net::SocketAddr;
use tower::ServiceExt;

/// The router under a limiter of its own.
pub(crate) fn limited(router: Router) -> Router {
    let limiter = Limiter::builder().clock(TestClock::new()).build();
    router.layer(limiter.layer())
}

/// A request from one client.
pub(crate) fn request(method: &str, uri: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .body(body.into())
        .unwrap();
    let client = SocketAddr::from(([192, 0, 2, 1], 443));
    request.extensions_mut().insert(ConnectInfo(client));
    request
}

pub(crate) async fn status(router: &Router, request: Request<Body>) -> StatusCode {
    router.clone().oneshot(request).await.unwrap().status()
}

/// Two requests are let through, and the third is 429.
pub(crate) async fn two_then_429(router: Router, request: impl Fn() -> Request<Body>) {
    let router = limited(router);
    for _ in 0..2 {
        assert_eq!(status(&router, request()).await, StatusCode::OK);
    }
    assert_eq!(
        status(&router, request()).await,
        StatusCode::TOO_MANY_REQUESTS
    );
}
