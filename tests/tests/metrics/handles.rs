//! Handles are registered once, and a request with metrics takes no allocation for them.

use axum::{Router, body::Body, http::Request, routing::get};
use limit_runtime::{Limiter, everyone, rate_limit};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, set_default_local_recorder,
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tower::Service;

#[rate_limit("4000000000/day", key = everyone)]
async fn handler() {}

async fn bare() {}

/// Counts what is registered and recorded.
#[derive(Default)]
struct Counting {
    registered: AtomicU64,
    recorded: Arc<Recorded>,
}

#[derive(Default)]
struct Recorded(AtomicU64);

impl CounterFn for Recorded {
    fn increment(&self, _: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Recorded {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.registered.fetch_add(1, Ordering::Relaxed);
        Counter::from_arc(self.recorded.clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.registered.fetch_add(1, Ordering::Relaxed);
        Histogram::from_arc(self.recorded.clone())
    }
}

/// Sends one request, which waits for nothing.
fn send(router: &mut Router) {
    let request = Request::new(Body::empty());
    let response = pin!(router.call(request)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(response, Poll::Ready(Ok(response)) if response.status().is_success()));
}

#[test]
fn a_request_registers_nothing_and_allocates_nothing_for_metrics() {
    let recorder = Counting::default();
    let _guard = set_default_local_recorder(&recorder);
    let limiter = Limiter::new();
    let mut limited = Router::new()
        .route("/", get(handler))
        .layer(limiter.layer());
    let mut bare = Router::new().route("/", get(bare)).layer(limiter.layer());
    for _ in 0..1_000 {
        send(&mut limited);
        send(&mut bare);
    }
    let registered = recorder.registered.load(Ordering::Relaxed);
    // Seven outcomes, three kinds of units, two histograms.
    assert_eq!(registered, 12);
    let before = recorder.recorded.0.load(Ordering::Relaxed);
    let of_limited = allocation_counter::measure(|| (0..100).for_each(|_| send(&mut limited)));
    let of_bare = allocation_counter::measure(|| (0..100).for_each(|_| send(&mut bare)));
    // Some dozens of responses share one allocation for the text of a header.
    let more = of_limited.count_total.saturating_sub(of_bare.count_total);
    assert!(more < 10, "{more} allocations in 100 requests");
    assert_eq!(recorder.registered.load(Ordering::Relaxed), registered);
    let recorded = recorder.recorded.0.load(Ordering::Relaxed) - before;
    assert_eq!(recorded, 300, "a request, its unit and the utilisation");
}
