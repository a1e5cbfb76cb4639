//! Requests that are dropped, at every point where they wait.

use crate::handlers::open;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::Response,
    routing::post,
};
use futures_util::{FutureExt, stream};
use limit_runtime::{
    Decision, Key, Limiter, Receipt, Reservation, everyone, rate_limit,
    store::{Action, Charge, CustomStore, Scope, Store, StoreFuture},
};
use std::{convert::Infallible, time::Duration};
use test_support::requests::{remaining, request, send};
use tokio::task::yield_now;
use tower::ServiceExt;

#[rate_limit("1000/minute", key = everyone, scope = "held", cost = body.len() as u64)]
async fn by_argument(reservation: Reservation, body: Bytes) -> Response {
    work(reservation, body.len()).await
}

#[rate_limit("1000/minute", key = everyone, scope = "held", cost = 300)]
async fn constant(reservation: Reservation, body: Bytes) -> Response {
    work(reservation, body.len()).await
}

/// Uses ten units, one after the other, and then sends ten frames of one unit each.
async fn work(reservation: Reservation, _: usize) -> Response {
    reservation.used(0);
    for _ in 0..10 {
        yield_now().await;
        reservation.add(1);
    }
    let frames = stream::unfold(0, async |sent| {
        yield_now().await;
        (sent < 10).then(|| (Ok::<_, Infallible>("frame"), sent + 1))
    });
    let frames = reservation.meter(frames, |_, reservation| reservation.add(1));
    Response::new(Body::from_stream(frames))
}

#[rate_limit("1000/minute", key = everyone, scope = "held", cost = 0)]
async fn left() {}

fn slow_request(path: &str) -> Request {
    let chunks = stream::unfold(0, async |sent| {
        yield_now().await;
        (sent < 3).then(|| (Ok::<_, Infallible>([b'x'; 100].as_slice()), sent + 1))
    });
    request("POST", path, Body::from_stream(chunks))
}

/// Polls the request and then its body, `polls` times. Returns whether it has ended by then.
async fn poll_times(router: Router, path: &str, polls: usize) -> bool {
    let work = async {
        let response = router.oneshot(slow_request(path)).await.unwrap();
        axum::body::to_bytes(response.into_body(), 1_000)
            .await
            .unwrap();
    };
    let mut work = Box::pin(work);
    for _ in 0..polls {
        if (&mut work).now_or_never().is_some() {
            return true;
        }
    }
    false
}

/// A store that answers slowly: it waits before it counts, and afterwards.
#[derive(Debug, Default)]
struct SlowStore(Limiter);

async fn pause() {
    for _ in 0..3 {
        yield_now().await;
    }
}

impl Store for SlowStore {
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision> {
        Box::pin(async move {
            pause().await;
            let decision = self.0.check_all(charges, action).await;
            pause().await;
            decision
        })
    }

    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            pause().await;
            let refunded = self.0.refund(charges, receipts).await;
            pause().await;
            refunded
        })
    }

    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(self.0.reset_key(scope, key.clone()))
    }

    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.0.reset_all())
    }
}

fn in_memory() -> Limiter {
    Limiter::new()
}

fn with_a_slow_store() -> Limiter {
    // A busy machine does not make it miss its deadline.
    let store = CustomStore::new(SlowStore::default()).store_deadline(Duration::from_secs(10));
    Limiter::builder().store(store).build()
}

async fn charged_what_was_used(limiter: fn() -> Limiter) {
    for path in ["/argument", "/constant"] {
        let mut seen = Vec::new();
        for polls in 0.. {
            let limiter = limiter();
            let router = Router::new()
                .route("/argument", post(by_argument))
                .route("/constant", post(constant))
                .route("/left", post(left))
                .layer(limiter.layer());
            let is_done = poll_times(router.clone(), path, polls).await;
            assert_eq!(limiter.shutdown().await, 0);
            let response = send(&router, request("POST", "/left", "")).await;
            seen.push(1_000 - remaining(&response));
            assert_eq!(open(&limiter), 0, "{path} after {polls} polls");
            if is_done {
                break;
            }
        }
        assert!(seen.is_sorted(), "{path}: {seen:?}");
        seen.dedup();
        // Every number of units was seen, and no estimate was left.
        assert_eq!(seen, (0..=20).collect::<Vec<_>>(), "{path}");
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_at_any_poll_is_charged_what_it_has_used() {
    charged_what_was_used(in_memory).await;
}

#[tokio::test]
async fn a_request_that_is_dropped_beside_a_slow_store_is_charged_what_it_has_used() {
    charged_what_was_used(with_a_slow_store).await;
}
