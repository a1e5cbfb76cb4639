//! What this package's benchmarks have in common.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::missing_panics_doc,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "these are measurements"
)]

pub mod cpu_time;
pub mod handlers;
pub mod keys;
pub mod load;
pub mod turns;

use governor::DefaultKeyedRateLimiter;
use limit_runtime::{
    Decision, IntoKey, Limiter, Limits, Strategy, limits,
    store::{Charge, Scope},
};
use std::{
    future::Future,
    hash::Hash,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// As many limits as a rule can have.
pub const EIGHT: Limits = limits!(
    "100_000_000/second; 450_000_000 per 5 seconds; 800_000_000 per 10 seconds; \
     2_200_000_000 per 30 seconds; 4_000_000_000/minute; 18_000_000_000 per 5 minutes; \
     50_000_000_000 per 15 minutes; 60_000_000_000 per 20 minutes"
);

/// One check of `key`, and whether it was allowed.
#[inline(never)]
pub fn check(limiter: &Limiter, limits: &Limits, strategy: Strategy, key: impl IntoKey) -> bool {
    const SCOPE: Scope<'static> = Scope::handler("inference_api::predict", "client_ip");
    let key = key.into_key();
    let charge = Charge::new(SCOPE, &key, limits).strategy(strategy);
    let decision = limiter.try_check(&charge);
    // All of it is wanted: what remains, when it resets, how long to wait.
    let decision = black_box(&decision).as_ref();
    decision.is_some_and(Decision::is_allowed)
}

/// One check by the peer.
#[inline(never)]
pub fn check_peer<K: Clone + Eq + Hash>(peer: &DefaultKeyedRateLimiter<K>, key: &K) -> bool {
    black_box(peer.check_key(key)).is_ok()
}

/// The output of a future that never waits.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
