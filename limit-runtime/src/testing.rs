//! For the tests of applications that are limited.
//!
//! Put a limiter on a [`TestClock`] around the router, and move the clock:
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
//!     // Requests of a test come over no socket, so they get an address here.
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
//! For settings of your own, such as the application's answers, build the limiter on a clock by hand:
//! `let clock = TestClock::new(); let limiter = Limiter::builder().clock(clock.clone()).on_limited(…).build();`
//!
//! A handler that waits for room (`wait = "2s"`) waits in real time, on this clock too. For tests that wait no real
//! time, count by tokio's clock and pause that; see [`Clock`](crate::clock::Clock).
//!
//! A handler alone, without its limits, is tested through [`Limited::unlimited`](crate::Limited::unlimited),
//! or by its `direct` name; see [`rate_limit`](crate::rate_limit).

pub use crate::clock::TestClock;
use crate::limiter::Limiter;

impl Limiter {
    /// A limiter of its own, and the clock it reads.
    #[must_use]
    pub fn for_test() -> (Self, TestClock) {
        let clock = TestClock::new();
        (Self::builder().clock(clock.clone()).build(), clock)
    }
}
