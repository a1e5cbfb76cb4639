//! Requests to a router, and their responses.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    response::Response,
};
use http::{Request, StatusCode};
use std::net::SocketAddr;
use tower::ServiceExt;

/// A request from one client.
#[must_use]
pub fn request(method: &str, uri: &str, body: impl Into<Body>) -> Request<Body> {
    let client = SocketAddr::from(([192, 0, 2, 1], 443));
    Request::builder()
        .method(method)
        .uri(uri)
        .extension(ConnectInfo(client))
        .body(body.into())
        .unwrap()
}

/// The router's response to a request.
pub async fn send(router: &Router, request: Request<Body>) -> Response {
    router.clone().oneshot(request).await.unwrap()
}

/// The status of the router's response to a GET request that names no client's address.
pub async fn get_status(router: &Router, path: &str) -> StatusCode {
    let request = Request::get(path).body(Body::empty()).unwrap();
    send(router, request).await.status()
}

/// The units left that the header `RateLimit` of a response states.
#[must_use]
pub fn remaining(response: &Response) -> u64 {
    let state = response.headers()["ratelimit"].to_str().unwrap();
    let (_, rest) = state.split_once(";r=").unwrap();
    let digits = rest.split(';').next().unwrap();
    digits.parse().unwrap()
}

/// The body of a response.
pub async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
