//! The hot path allocates nothing in a check, and little around a handler.
//!
//! A test binary of its own, since what counts is a global allocator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use allocation_counter::{AllocationInfo, measure};
use axum::{Router, body::Body, routing::get};
use http::{Method, Request, Uri};
use limit_runtime::{
    IntoKey, Limiter, Limits, Reservation, Strategy, everyone, limits, rate_limit,
    store::{Action, Charge, Scope},
};
use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use tower::Service;

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// What `once` allocates each time. Now and then a log outgrows its place: the least of a few times
/// does without.
fn allocations(mut once: impl FnMut()) -> AllocationInfo {
    (0..8).for_each(|_| once());
    let least = (0..8).map(|_| measure(&mut once));
    least.min_by_key(|counted| counted.count_total).unwrap()
}

#[test]
fn a_check_allocates_nothing() {
    let limiter = Limiter::new();
    let roomy: Limits = limits!("1000000/second; 100000000/minute");
    let tight: Limits = limits!("1/hour; 5/day");
    let (roomy_one, tight_one) = (limits!("100000000/minute"), limits!("1/hour"));
    let burst = std::num::NonZeroU64::new(1_000).unwrap();
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ];
    for strategy in strategies {
        for limits in [roomy, tight, roomy_one, tight_one] {
            for action in [Action::Consume, Action::Peek] {
                let counted = allocations(|| {
                    let key = "sk-0123456789abcdef0123456789abcdef".into_key();
                    let scope = Scope::handler("predict", "/predict");
                    let charge = Charge::new(scope, &key, &limits).strategy(strategy);
                    ready(limiter.check_all(&[charge], action)).unwrap();
                    limiter.try_check(&charge).unwrap();
                });
                assert_eq!(counted.count_total, 0, "{strategy:?} {limits} {action:?}");
            }
        }
    }
}

#[test]
fn a_check_outside_of_handlers_allocates_nothing() {
    let limiter = Limiter::new();
    let limits = limits!("1000000/second; 100000000/minute");
    let counted = allocations(|| {
        let check = limiter.check(&limits, "alice").scope("messages");
        ready(std::future::IntoFuture::into_future(check)).unwrap();
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_new_key_allocates_nothing_beyond_its_entry() {
    let limiter = Limiter::new();
    let limits = limits!("10/minute");
    let mut number = 0_u64;
    let mut key = || {
        number += 1;
        let key = number.into_key();
        let charge = Charge::new(Scope::shared("predict"), &key, &limits);
        ready(limiter.check_all(&[charge], Action::Consume)).unwrap();
    };
    (0..10_000).for_each(|_| key());
    // Tables grow by half: a shard allocates for one new key in many.
    let counted = measure(|| (0..1_000).for_each(|_| key()));
    assert!(counted.count_total < 200, "{counted:?}");
}

#[rate_limit("100000000/minute", key = everyone)]
async fn limited() -> &'static str {
    "hello"
}

async fn bare() -> &'static str {
    "hello"
}

#[rate_limit("100000000/minute", key = everyone)]
async fn limited_arguments(_: Method, _: Uri) -> &'static str {
    "hello"
}

#[rate_limit("100000000/minute; 1000000000/hour", key = everyone)]
async fn limited_arguments_by_two(_: Method, _: Uri) -> &'static str {
    "hello"
}

async fn bare_arguments(_: Method, _: Uri) -> &'static str {
    "hello"
}

#[rate_limit("1/day", key = everyone)]
async fn refused() -> &'static str {
    "hello"
}

#[test]
fn a_request_costs_no_allocation_more_than_the_bare_handler_but_one_in_many_for_headers() {
    let mut router = Router::new()
        .route("/bare", get(bare))
        .route("/limited", get(limited))
        .route("/refused", get(refused))
        .route("/bare/arguments", get(bare_arguments))
        .route("/limited/arguments", get(limited_arguments))
        .route("/limited/by/two", get(limited_arguments_by_two))
        .with_state(());
    let mut call = |path: &'static str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        drop(ready(router.call(request)).unwrap());
    };
    let mut thousand = |path| {
        (0..8).for_each(|_| call(path));
        measure(|| (0..1_000).for_each(|_| call(path))).count_total
    };
    let bare = thousand("/bare");
    let limited = thousand("/limited");
    let refused = thousand("/refused");
    assert!(limited <= bare + 50, "bare {bare}, limited {limited}");
    // One for the response in a box, and one for `RateLimitInfo`, if the request has extensions.
    assert!(refused <= bare + 2_050, "bare {bare}, refused {refused}");
    // Any argument may ask for the limits, and those that do not cost nothing.
    let bare = thousand("/bare/arguments");
    let limited = thousand("/limited/arguments");
    let by_two = thousand("/limited/by/two");
    assert!(limited <= bare + 50, "bare {bare}, limited {limited}");
    assert!(by_two <= bare + 50, "bare {bare}, limited {by_two}");
}

#[rate_limit("100000000/minute", key = everyone, cost = 10)]
async fn reserved(reservation: Reservation) -> &'static str {
    drop(reservation);
    "hello"
}

#[rate_limit("100000000/minute", key = everyone, cost = 10)]
async fn given_back(reservation: Reservation) -> &'static str {
    reservation.commit(3);
    "hello"
}

#[rate_limit(concurrency = 4, key = everyone)]
async fn concurrent() -> &'static str {
    "hello"
}

#[rate_limit("100000000/minute", key = everyone, cost = path.path().len())]
async fn by_argument(path: Uri) -> &'static str {
    drop(path);
    "hello"
}

/// These keep state for each request.
#[test]
fn reservations_permits_and_costs_over_arguments_allocate_little() {
    let mut router = Router::new()
        .route("/bare", get(bare))
        .route("/reserved", get(reserved))
        .route("/given/back", get(given_back))
        .route("/concurrent", get(concurrent))
        .route("/argument", get(by_argument))
        .with_state(());
    let mut each = |path: &'static str| {
        let counted = allocations(|| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = ready(router.call(request)).unwrap();
            assert_eq!(response.status(), 200, "{path}");
        });
        counted.count_total
    };
    let bare = each("/bare");
    let more =
        ["/reserved", "/given/back", "/concurrent", "/argument"].map(|path| each(path) - bare);
    assert_eq!(more, [8, 9, 15, 2]);
}
