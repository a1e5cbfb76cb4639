//! A rate limiter for Axum: one attribute on a handler limits it.
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
//! There is nothing else to set up: requests are counted in memory. To count in Redis or memcached
//! for several machines, or to change settings, build a [`Limiter`] and install it for the process,
//! `limiter.install()?`, or add it to one router after its routes, `.layer(limiter.layer())`.
//!
//! | To | see |
//! |---|---|
//! | limit a handler: limits, keys, costs, scopes, strategies | [`rate_limit`](macro@rate_limit) |
//! | limit a router, or any tower service | [`Limiter::limit_layer`] |
//! | limit anything else: messages, jobs | [`Limiter::check`] |
//! | read what remains in a handler, charge more, refund | [`RateLimit`] |
//! | charge an estimate, and settle it at what was used, also in streams | [`Reservation`], [`usage`] |
//! | choose headers, the response to refused requests, proxies, a default key | [`LimiterBuilder`] |
//! | count for several machines | [`Limiter::connect`] |
//! | read settings from the environment | [`Limiter::from_env`] |
//! | test limited handlers | [`testing`] |
//! | see what was counted | [`Limiter::stats`], [`observe`] |
//! | look up a log line with a code such as `LIMIT003` | [`diagnostics`] |
//!
//! # Features
//!
//! None is on by default.
//!
//! | Feature | adds |
//! |---|---|
//! | `redis` | counts in Redis or Valkey: `redis://`, `redis+unix://` |
//! | `redis-cluster` | Redis Cluster: `redis+cluster://` |
//! | `redis-sentinel` | Redis behind Sentinel: `redis+sentinel://` |
//! | `redis-tls` | Redis over TLS: `rediss://` |
//! | `memcached` | counts in memcached: `memcached://host1,host2` |
//! | `metrics` | counters, histograms and gauges for a recorder of the crate `metrics` |
//! | `dashboard` | [`Limiter::dashboard`], a page and JSON routes; [`Limiter::client_limits`] |
//! | `uuid` | [`IntoKey`] for `uuid::Uuid` |
//! | `serde` | [`Limits`], [`Strategy`] and other settings in files; [`Stats`] as JSON |
//!
//! # What is promised
//!
//! - Under the moving window, no interval as long as the window, wherever it starts, admits more
//!   than the count. Windows are half open: a hit exactly one window ago is free.
//! - A request under several limits of its handler consumes from all of them or from none; a
//!   refused request consumes nothing. A layer's limits are checked first: a request that the
//!   handler's limits refuse counts on the layer's.
//! - A limit that changes keeps its history.
//! - `Retry-After` is exact: a client that waits that long is admitted, and one that retries
//!   earlier is not (without other traffic on its key).
//! - The check runs before the body is read, unless the cost needs the body; then clients that have
//!   nothing left are refused before, and the charge is made after.
//! - A request without a key gets an error and is not let through. Raw keys reach no store, log or
//!   header.
//! - Memory is bounded, and a flood of new keys evicts no client that is over its limit.

#![cfg_attr(docsrs, feature(doc_cfg))]

// A module imports only from those above it. The comments keep rustfmt from sorting them.

// Warnings about misconfiguration, each logged once.
pub mod diagnostics;
// Counters, histograms and gauges of the feature `metrics`.
mod instruments;
// Monotonic time, and a clock for tests.
pub mod clock;
// Keys.
mod key;
// Outcomes, decisions and receipts.
mod decision;
// The algorithms, as pure functions over plain state.
mod window;
// Stores: memory, Redis, memcached, and the guard around remote ones.
pub mod store;
// Trusted proxies and forwarding headers.
pub mod client_ip;
// Functions of extractors, and what they may return.
pub mod extract;
// Rate-limit headers, 429 and problem documents.
mod response;
// What a limiter has counted, and how it reports its decisions.
pub mod observe;
// Policies and their rules, resolved for one request.
mod policy;
// The limiter, its builders and wait queues.
mod limiter;
// One request under its policies.
mod request;
// The usage of models, in the responses of their APIs.
pub mod usage;
// What the attribute expands to.
mod handler;
// Layers.
pub mod layer;
// Routes and a page that show what a limiter does.
#[cfg(feature = "dashboard")]
mod dashboard;
// `Serialize` and `Deserialize` of settings.
#[cfg(feature = "serde")]
mod serde_impls;
// For tests of applications.
pub mod testing;
// What the attribute's expansion names. It changes without notice.
#[doc(hidden)]
pub mod __private;

pub use self::{
    client_ip::{ForwardedHeader, TrustedProxies, TrustedProxiesError},
    decision::{Decision, Outcome, Receipt, Verdict},
    handler::limited::Limited,
    key::{IntoKey, Key},
    limiter::{Check, CheckFuture, EnvError, InstallError, Limiter, LimiterBuilder, RemoteBuilder},
    observe::{DecisionEvent, Stats, StatsLevel},
    policy::route_scope::{RouteScope, route},
    request::{
        client_ip::{ClientIp, ClientIpRejection, client_ip},
        key_rejection::{BearerRejection, HeaderKeyRejection},
        keys::{bearer, everyone, header},
        meter::Metered,
        permit::Permit,
        rate_limit::RateLimit,
        rate_limit_rejection::{PermitRejection, RateLimitRejection, UnknownPolicy},
        reservation::{Reservation, ReservationRejection},
    },
    response::{
        exceeded::Exceeded,
        header_style::{HeaderNames, HeaderStyle},
        rate_limit_info::{PolicyInfo, RateLimitInfo},
        retry_after::RetryAfterStyle,
    },
    store::memory::WhenFull,
    window::Strategy,
};
#[doc(inline)]
pub use limit_core::{
    Limit, LimitError, Limits, LimitsError, MAX_COUNT, MAX_LIMITS, MAX_WINDOW, ParseError,
    ParseErrorKind, Unit, UnitError, Window, limits,
};
#[doc = include_str!("docs/rate_limit.md")]
pub use limit_macros::rate_limit;
