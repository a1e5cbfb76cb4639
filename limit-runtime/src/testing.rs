//! Test applications with rate limits, without waiting in real time.
//!
//! Add a limiter with a [`TestClock`] to the router, and advance the clock:
//!
//! ```
//! use axum::http::{Request, StatusCode};
//! use axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing::get};
//! use limit_runtime::{Limiter, rate_limit};
//! use std::{net::SocketAddr, time::Duration};
//! use tower::ServiceExt;
//!
//! #[rate_limit("1/minute")]
//! async fn predict() -> &'static str {
//!     "setosa"
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (limiter, clock) = Limiter::for_test();
//! let app: Router = Router::new()
//!     .route("/predict", get(predict))
//!     .layer(limiter.layer())
//!     // Requests of this test have no socket, so this sets their address.
//!     .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 1234))));
//! let get = || async {
//!     let request = Request::get("/predict").body(Body::empty()).unwrap();
//!     app.clone().oneshot(request).await.unwrap().status()
//! };
//! assert_eq!(get().await, StatusCode::OK);
//! assert_eq!(get().await, StatusCode::TOO_MANY_REQUESTS);
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(get().await, StatusCode::OK);
//! # }
//! ```
//!
//! To change other settings of the limiter, give the clock to its builder:
//!
//! ```
//! use axum::http::StatusCode;
//! use limit_runtime::{Limiter, testing::TestClock};
//!
//! let clock = TestClock::new();
//! let limiter = Limiter::builder()
//!     .clock(clock.clone())
//!     .on_limited(|_| StatusCode::TOO_MANY_REQUESTS)
//!     .build();
//! ```
//!
//! A handler that waits until it is admitted (`wait = "2s"`) waits in real time, even with a
//! [`TestClock`]. To test it without real time, use and pause tokio's clock; see
//! [`Clock`](crate::clock::Clock).
//!
//! To call a handler without its limits, use [`Limited::unlimited`](crate::Limited::unlimited), or
//! its `direct` name; see [`rate_limit`](crate::rate_limit).

pub use crate::clock::TestClock;
use crate::{limiter::Limiter, response::header_style::HeaderStyle};
use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header::ALLOW};
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    panic::Location,
};
use tower_service::Service;

impl Limiter {
    /// A limiter with default settings, and the [`TestClock`] that it reads.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let (limiter, clock) = Limiter::for_test();
    /// let limits = limits!("1/minute");
    /// assert!(limiter.check(&limits, "alice").await?.is_allowed());
    /// assert!(!limiter.check(&limits, "alice").await?.is_allowed());
    /// clock.advance(Duration::from_secs(60));
    /// assert!(limiter.check(&limits, "alice").await?.is_allowed());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn for_test() -> (Self, TestClock) {
        let clock = TestClock::new();
        (Self::builder().clock(clock.clone()).build(), clock)
    }
}

/// Asserts that responses of `app` to each path have rate-limit headers, so that no route was left
/// without a limit.
///
/// Each path gets one request without a body from 127.0.0.1, which counts: with `GET`, or with the
/// first allowed method if the route has no `GET`. A refused request (429) has the headers, too.
/// The headers are those of every [`HeaderStyle`] but `Named` and `Off`. A policy in dry run sends
/// none, so a route with such policies alone is not accepted. Neither is a path that answers 404,
/// whatever its headers: it may be misspelt.
///
/// ```
/// use axum::{Router, routing::{get, post}};
/// use limit_runtime::{client_ip, rate_limit, testing::assert_limited};
///
/// #[rate_limit("10/minute", key = client_ip)]
/// async fn predict() {}
///
/// #[rate_limit("2/minute", key = client_ip)]
/// async fn batch_predict() {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = Router::new()
///     .route("/predict", get(predict))
///     .route("/batch-predict", post(batch_predict));
/// assert_limited(&app, ["/predict", "/batch-predict"]).await;
/// # }
/// ```
///
/// # Panics
/// The future panics with all paths that answer 404 or without rate-limit headers, their statuses,
/// and the place of the call.
#[track_caller]
pub fn assert_limited<P: AsRef<str>>(
    app: &Router,
    paths: impl IntoIterator<Item = P>,
) -> impl Future<Output = ()> {
    // An async function would have no caller.
    let caller = Location::caller();
    assert_limited_at(caller, app, paths)
}

#[expect(clippy::panic, reason = "a failed assertion of a test")]
async fn assert_limited_at<P: AsRef<str>>(
    caller: &Location<'_>,
    app: &Router,
    paths: impl IntoIterator<Item = P>,
) {
    let mut unlimited = Vec::new();
    for path in paths {
        let path = path.as_ref();
        match answer(app, path).await {
            // A layer around the whole router sends headers for a path without a route as well.
            Ok((status, headers))
                if status != StatusCode::NOT_FOUND && has_rate_limit_headers(&headers) => {}
            Ok((status, _)) => unlimited.push(format!("`{path}` (status {})", status.as_u16())),
            Err(problem) => unlimited.push(format!("`{path}` ({problem})")),
        }
    }
    if !unlimited.is_empty() {
        panic!(
            "responses without rate-limit headers: {}, asserted at {caller}. Add `#[rate_limit(…)]` \
             to the handler, or a layer around the route. If it has a limit, it is in dry run \
             (`dry_run`, `RATE_LIMIT_DRY_RUN`), or the limiter sends no headers that are known \
             here (`HeaderStyle::Off` or `Named`): build the limiter of the test without these. If \
             the status is 404, whatever its headers, write a path that exists; if it is another \
             error, a layer or function before the limit has answered",
            unlimited.join(", ")
        );
    }
}

/// The response to a request with `GET`, or with the first method that the route allows.
async fn answer(app: &Router, path: &str) -> Result<(StatusCode, HeaderMap), String> {
    let (status, headers) = send(app, Method::GET, path).await?;
    if status != StatusCode::METHOD_NOT_ALLOWED {
        return Ok((status, headers));
    }
    let allowed = headers.get(ALLOW).and_then(|allowed| allowed.to_str().ok());
    let method = allowed.and_then(|allowed| allowed.split(',').next()?.trim().parse().ok());
    match method {
        Some(method) => send(app, method, path).await,
        None => Ok((status, headers)),
    }
}

async fn send(app: &Router, method: Method, path: &str) -> Result<(StatusCode, HeaderMap), String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .extension(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    let request = request
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    match app.clone().call(request).await {
        Ok(response) => Ok((response.status(), response.headers().clone())),
        Err(never) => match never {},
    }
}

fn has_rate_limit_headers(headers: &HeaderMap) -> bool {
    let [limit, ..] = HeaderStyle::X_RATE_LIMIT;
    // In the style of OpenAI, a unit is behind it.
    let is_limit = |name: &HeaderName| name.as_str().starts_with(limit.as_str());
    headers.contains_key(HeaderStyle::RATE_LIMIT) || headers.keys().any(is_limit)
}
