//! A handler that does what its request says, and a counter of what it should be charged.

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use limit_runtime::{Limiter, RateLimit, Reservation, everyone, rate_limit};
use serde::{Deserialize, Serialize};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub(crate) const LIMIT: u64 = 1_000_000;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum End {
    Commit,
    /// Two handles commit; the first one counts.
    CommitTwice,
    Release,
    /// Nothing is known of the use.
    Silent,
    SilentError,
    SilentPanic,
    /// An error after the use is known.
    Error,
    Panic,
    /// A stream of as many frames as units are used.
    Stream,
    StreamError,
    /// Goes on until the client leaves.
    Endless,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) estimate: u64,
    pub(crate) used: u64,
    pub(crate) end: End,
}

/// What the requests should be charged together, counted where the work is done.
#[derive(Clone, Default)]
pub(crate) struct Expected(Arc<AtomicU64>);

impl Expected {
    fn add(&self, units: u64) {
        self.0.fetch_add(units, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[rate_limit("1_000_000/hour", key = everyone, scope = "tokens", cost = plan.estimate)]
pub(crate) async fn run(
    reservation: Reservation,
    State(expected): State<Expected>,
    Json(plan): Json<Plan>,
) -> Response {
    assert_eq!(reservation.reserved(), plan.estimate.max(1));
    let done = |units: u64| expected.add(units);
    match plan.end {
        End::Commit => {
            done(plan.used);
            reservation.commit(plan.used);
        }
        End::CommitTwice => {
            done(plan.used);
            reservation.clone().commit(plan.used);
            reservation.commit(plan.used * 3 + 7);
        }
        End::Release => reservation.release(),
        End::Silent => done(plan.estimate.max(1)),
        End::SilentError => return StatusCode::BAD_GATEWAY.into_response(),
        End::SilentPanic => panic!("the model is gone"),
        End::Error => {
            done(plan.used);
            reservation.used(plan.used);
            return StatusCode::BAD_GATEWAY.into_response();
        }
        End::Panic => {
            done(plan.used);
            reservation.add(plan.used);
            panic!("the model is gone");
        }
        End::Stream | End::StreamError | End::Endless => {
            // The prompt.
            done(1);
            reservation.used(1);
            let frames = stream::unfold(plan, move |mut plan| {
                let expected = expected.clone();
                async move {
                    if plan.end == End::Endless {
                        tokio::time::sleep(Duration::from_micros(200)).await;
                    } else if plan.used == 0 {
                        return match plan.end {
                            End::StreamError => {
                                plan.end = End::Stream;
                                Some((Err(io::Error::other("the model is gone")), plan))
                            }
                            _ => None,
                        };
                    }
                    plan.used = plan.used.saturating_sub(1);
                    expected.add(1);
                    Some((Ok(Bytes::from_static(b"data: token\n\n")), plan))
                }
            });
            let frames = reservation.meter(frames, |frame, reservation| {
                if frame.is_ok() {
                    reservation.add(1);
                }
            });
            return Body::from_stream(frames).into_response();
        }
    }
    StatusCode::OK.into_response()
}

/// The units that are left.
#[rate_limit("1_000_000/hour", key = everyone, scope = "tokens", cost = 0)]
async fn left(limit: RateLimit) -> Json<Option<u64>> {
    Json(limit.remaining())
}

pub(crate) fn app(limiter: &Limiter, expected: &Expected) -> Router {
    Router::new()
        .route("/run", post(run))
        .route("/left", get(left))
        .layer(limiter.layer())
        .with_state(expected.clone())
}

/// The units that a budget of [`LIMIT`] has charged, as the router sees it.
pub(crate) async fn charged(router: &Router) -> u64 {
    let request = test_support::requests::request("GET", "/left", "");
    let response = test_support::requests::send(router, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let left: u64 = test_support::requests::text(response)
        .await
        .parse()
        .unwrap();
    LIMIT - left
}

/// The reservations of a limiter that are not settled.
pub(crate) fn open(limiter: &Limiter) -> u64 {
    let policies = limiter.stats().policies;
    policies.iter().map(|policy| policy.reservations.open).sum()
}
