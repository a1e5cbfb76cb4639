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
use crate::limiter::Limiter;

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
