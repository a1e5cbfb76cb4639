//! What several of these tests need.

use limit_runtime::{
    Decision, Key, Limiter, Limits, limits,
    store::{Action, Charge, Scope, StoreHealth},
};
use std::time::{Duration, Instant};

/// No request waits longer, plus what a busy machine takes to wake a task.
const AT_MOST: Duration = Duration::from_millis(250);

const LIMITS: Limits = limits!("1000/hour");

/// Waits until `holds` is true.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) fn is_down(limiter: &Limiter) -> bool {
    matches!(limiter.health().store, StoreHealth::Down)
}

/// Checks other keys, each once, until the circuit breaker opens.
pub(super) async fn trip(limiter: &Limiter) {
    for stranger in 0..20_u32 {
        let decision = limiter.check(&limits!("5/minute"), stranger).await.unwrap();
        assert!(decision.is_allowed());
    }
    assert!(is_down(limiter), "{:?}", limiter.health());
}

/// The number of admitted requests, of `hits` requests of one key.
pub(super) async fn allowed(limiter: &Limiter, hits: u32) -> u32 {
    let limits = limits!("5/minute");
    let mut allowed = 0;
    for _ in 0..hits {
        let start = Instant::now();
        let decision = limiter.check(&limits, "alice").await.unwrap();
        allowed += u32::from(decision.is_allowed());
        assert!(start.elapsed() < AT_MOST, "{:?}", start.elapsed());
    }
    allowed
}

/// A charge on a budget of 1000 units an hour.
pub(super) fn charge(key: &Key, cost: u64) -> [Charge<'_>; 1] {
    [Charge::new(Scope::shared("tokens"), key, &LIMITS).cost(cost)]
}

pub(super) async fn check(limiter: &Limiter, key: &Key, cost: u64, action: Action) -> Decision {
    let charges = charge(key, cost);
    limiter.check_all(&charges, action).await.unwrap()
}
