//! Answers that come after the deadline, and excess that a remote store got while a stream ran.

use crate::remote::{self, Kept, charged_by};
use axum::{Router, routing::get};
use http::StatusCode;
use limit_runtime::{
    Limiter, Reservation, clock::TestClock, everyone, rate_limit, store::Fallback,
};
use std::time::Duration;
use test_support::{
    memcached_server::Memcached,
    proxy::Proxy,
    remote::{Harness, RemoteServer, is_down, until},
    requests::get_status,
    servers::{Server, free_port, patient},
};

#[rate_limit(
    "100_000/hour",
    key = everyone,
    scope = "tokens",
    cost = 100,
    count_when = |_| false
)]
async fn excluded() {}

fn app(limiter: &Limiter) -> (Router, Kept) {
    let (router, kept) = remote::app(limiter);
    let more = Router::new().route("/excluded", get(excluded));
    (router.merge(more.layer(limiter.layer())), kept)
}

/// What happens to a request when its check is answered late.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// It settles at this use before the answer comes.
    UsedBefore(u64),
    /// Afterwards.
    UsedAfter(u64),
    /// Its use stays unknown, and it ends before the answer comes.
    KeptBefore,
    /// Afterwards.
    KeptAfter,
    /// Its response does not count.
    Excluded,
}

const CASES: [(Case, u64); 9] = [
    (Case::UsedBefore(30), 30),
    (Case::UsedBefore(150), 150),
    (Case::UsedBefore(0), 0),
    (Case::UsedAfter(30), 30),
    (Case::UsedAfter(150), 150),
    (Case::UsedAfter(0), 0),
    (Case::KeptBefore, 100),
    (Case::KeptAfter, 100),
    (Case::Excluded, 0),
];

async fn late_answers_are_counted_once<S: RemoteServer>(fallback: Fallback) {
    let port = free_port();
    let _server = S::on(port);
    let proxy = Proxy::to(port);
    let url = S::url_of(proxy.port());
    let builder = Limiter::builder().remote(&url).fallback(fallback);
    let builder = builder.store_deadline(Duration::from_millis(300));
    let limiter = builder.connect().await.unwrap();
    let direct = patient(&S::url_of(port)).await;
    let (router, kept) = app(&limiter);
    let take = || kept.lock().unwrap().pop().unwrap();
    let mut before = 0;
    for (case, used) in CASES {
        let fallbacks = limiter.health().fallbacks;
        proxy.withhold_replies(true);
        let path = match case {
            Case::Excluded => "/excluded",
            _ => "/",
        };
        assert_eq!(get_status(&router, path).await, StatusCode::OK);
        assert!(limiter.health().fallbacks > fallbacks, "{case:?}");
        match case {
            Case::UsedBefore(units) => take().commit(units),
            Case::KeptBefore => drop(take()),
            _ => {}
        }
        proxy.withhold_replies(false);
        assert_eq!(limiter.shutdown().await, 0, "{case:?}");
        match case {
            Case::UsedAfter(units) => take().commit(units),
            Case::KeptAfter => drop(take()),
            _ => {}
        }
        assert_eq!(limiter.shutdown().await, 0, "{case:?}");
        let after = charged_by(&direct).await;
        assert_eq!(after - before, used, "{case:?}, {fallback:?}");
        before = after;
        // A success between the failures: the circuit breaker stays closed.
        assert_eq!(get_status(&router, "/left").await, StatusCode::OK);
        assert!(!is_down(&limiter), "{case:?}");
    }
}

#[tokio::test]
async fn a_late_answer_of_redis_is_counted_once() {
    late_answers_are_counted_once::<Server>(Fallback::Local).await;
}

#[tokio::test]
async fn a_late_answer_of_redis_is_counted_once_if_outages_admit_all() {
    late_answers_are_counted_once::<Server>(Fallback::Allow).await;
}

#[tokio::test]
async fn a_late_answer_of_memcached_is_counted_once() {
    late_answers_are_counted_once::<Memcached>(Fallback::Local).await;
}

/// The store has the excess, or gets it, when the exact use turns out to be less.
async fn excess_that_was_not_used_is_given_back<S: RemoteServer>() {
    let Harness { limiter, clock, .. } = &Harness::<S>::new().await;
    let (router, kept) = app(limiter);
    let mut expected = 0;
    for is_sent in [true, false] {
        assert_eq!(get_status(&router, "/").await, StatusCode::OK);
        let reservation = kept.lock().unwrap().pop().unwrap();
        exceed(&reservation, clock);
        if is_sent {
            until("the excess is sent", || limiter.health().late_charges == 0).await;
            assert_eq!(charged_by(limiter).await, expected + 500);
        }
        reservation.commit(200);
        expected += 200;
        assert_eq!(limiter.shutdown().await, 0);
        assert_eq!(charged_by(limiter).await, expected, "{is_sent}");
    }
}

/// Uses 500 units, of which the excess is charged at once.
fn exceed(reservation: &Reservation, clock: &TestClock) {
    clock.advance(Duration::from_secs(2));
    reservation.used(500);
}

#[tokio::test]
async fn excess_that_was_not_used_is_given_back_in_redis() {
    excess_that_was_not_used_is_given_back::<Server>().await;
}

#[tokio::test]
async fn excess_that_was_not_used_is_given_back_in_memcached() {
    excess_that_was_not_used_is_given_back::<Memcached>().await;
}
