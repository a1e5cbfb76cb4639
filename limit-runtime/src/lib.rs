//! The rate limiter for Axum: annotate a handler, and it is limited.
//!
//! ```
//! use axum::{Json, Router, routing::post};
//! use limit_runtime::{client_ip, rate_limit};
//! use std::net::SocketAddr;
//!
//! #[rate_limit("10/minute", key = client_ip)]
//! async fn predict(Json(features): Json<Vec<f64>>) -> Json<f64> {
//!     Json(features.iter().sum())
//! }
//!
//! # async fn serve() -> std::io::Result<()> {
//! let app = Router::new().route("/predict", post(predict));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! // Limits by address need the peer's address.
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
//! # }
//! ```
//!
//! There is nothing else to set up: requests are counted in memory. To count for several machines in Redis, or to
//! set anything, make a [`Limiter`] that of the process, `limiter.install()?`, or of a router, `.layer(limiter.layer())`.
//!
//! | To | see |
//! |---|---|
//! | limit a handler: limits, keys, costs, scopes, strategies | [`rate_limit`](macro@rate_limit) |
//! | limit a router, or any tower service | [`Limiter::limit_layer`] |
//! | limit anything else: messages, jobs | [`Limiter::check`] |
//! | look at the limits in a handler, charge more, give back | [`RateLimit`] |
//! | choose headers, answers, proxies, a default key | [`LimiterBuilder`] |
//! | count for several machines | [`Limiter::connect`] |
//! | be set up by the environment | [`Limiter::from_env`] |
//! | test what is limited | [`testing`] |
//! | know what a log line with a code means | [`setup`] |
//!
//! # What is promised
//!
//! - Under the moving window, no interval as long as the window, wherever it starts, admits more than the count.
//!   Windows are half open: a hit exactly one window ago is free.
//! - A request under several limits of its handler consumes from all of them or from none; a refused request consumes
//!   nothing. A layer's limits are checked before, and count what the handler refuses.
//! - A limit that changes keeps its history.
//! - A lone client that waits `Retry-After` is admitted, and one that comes sooner is not.
//! - The check runs before the body is read, unless the cost needs the body; then those who have nothing left are
//!   refused before, and the charge is made after.
//! - Nobody is unlimited for want of a key, and raw keys reach no store, log or header.
//! - Memory is bounded, and a flood of new keys frees nobody who is limited.

pub mod clock;
mod decision;
mod http;
mod key;
mod limiter;
pub mod store;
pub mod testing;
mod window;

pub use self::{
    decision::{Decision, Outcome, Receipt, Verdict},
    http::{
        BearerKey, BearerRejection, ClientIp, ClientIpRejection, Exceeded, ForwardedHeader,
        HeaderKey, HeaderKeyRejection, HeaderNames, HeaderStyle, IntoLayerScope, Limited,
        LimiterLayer, LimiterService, PolicyInfo, RateLimit, RateLimitInfo, RateLimitLayer,
        RateLimitRejection, RateLimitService, RetryAfterStyle, RouteScope, TrustedProxies,
        TrustedProxiesError, UnknownPolicy, bearer, client_ip, everyone, header, route, setup,
    },
    key::{IntoKey, Key},
    limiter::{Check, CheckFuture, EnvError, InstallError, Limiter, LimiterBuilder},
    window::Strategy,
};
#[doc(inline)]
pub use limit_core::{Limit, Limits, ParseError, limits};
#[doc = include_str!("docs/rate_limit.md")]
pub use limit_macros::rate_limit;

/// What the attribute's expansion calls. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private;
