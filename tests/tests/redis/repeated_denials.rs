//! Denials that a process repeats without asking the server.

use limit_runtime::{
    Decision, IntoKey, Limiter, Strategy,
    clock::TestClock,
    limits,
    store::{Action, Charge, Scope},
};
use std::{num::NonZeroU64, time::Duration};
use test_support::servers::Server;

const MINUTE: Duration = Duration::from_secs(60);

/// The numbers of a store's answer, in whole milliseconds, and what remains.
fn numbers(decision: &Decision) -> Vec<(u64, Duration, Duration)> {
    let outcomes = decision.outcomes().iter();
    outcomes
        .map(|outcome| {
            (
                outcome.remaining(),
                outcome.next_after(),
                outcome.reset_after(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_repeated_denial_counts_down_to_when_more_remains() {
    let server = Server::redis();
    let clock = TestClock::new();
    let connect = async || {
        let builder = Limiter::builder().clock(clock.clone());
        let builder = builder.remote(&server.url());
        let builder = builder.store_deadline(Duration::from_secs(10));
        builder.connect().await.unwrap()
    };
    let (limiter, other) = (connect().await, connect().await);
    let burst = NonZeroU64::new(2).unwrap();
    for strategy in [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ] {
        let limits = limits!("2/minute");
        let check = || limiter.check(&limits, "alice").strategy(strategy);
        check().await.unwrap();
        clock.advance(Duration::from_secs(7));
        check().await.unwrap();
        let mut repeated = limiter.health().repeated_denials;
        assert!(!check().await.unwrap().is_allowed());
        for _ in 0..9 {
            clock.advance(Duration::from_millis(97));
            let denial = check().await.unwrap();
            // The other one asks the store.
            let asked = other.check(&limits, "alice").strategy(strategy).peek();
            let asked = asked.await.unwrap();
            assert!(!asked.is_allowed(), "{strategy:?}");
            let wait = denial.outcomes()[0].next_after();
            assert_eq!(Some(wait), denial.retry_after());
            // It forgets that denial, so that it asks again.
            other.reset_key("", "bob").await.unwrap();
            assert_eq!(numbers(&denial), numbers(&asked), "{strategy:?}");
            repeated += 1;
            assert!(limiter.health().repeated_denials >= repeated);
        }
    }
}

#[tokio::test]
async fn a_denial_is_not_repeated_once_this_process_has_consumed_more() {
    let server = Server::redis();
    let clock = TestClock::new();
    let builder = Limiter::builder().clock(clock.clone());
    let builder = builder.remote(&server.url());
    let builder = builder.store_deadline(Duration::from_secs(10));
    let limiter = builder.connect().await.unwrap();
    let (limits, other) = (limits!("5/minute"), limits!("50/minute"));
    let check = async |cost| {
        let check = limiter.check(&limits, "alice").cost(cost);
        check.await.unwrap()
    };
    assert!(check(3).await.is_allowed());
    clock.advance(Duration::from_millis(100));
    let soon = Some(MINUTE - Duration::from_millis(100));
    for _ in 0..2 {
        assert_eq!(check(4).await.retry_after(), soon);
    }
    for _ in 0..2 {
        assert!(check(1).await.is_allowed());
    }
    // The three units leave, and the other two have to leave as well.
    let denial = check(4).await;
    assert_eq!(denial.outcomes()[0].remaining(), 0);
    assert_eq!(denial.retry_after(), Some(MINUTE));
    // Also if it was the budget of another charge in the same check.
    let (alice, bob) = ("alice".into_key(), "bob".into_key());
    let charges = [
        Charge::new(Scope::shared(""), &alice, &limits),
        Charge::new(Scope::shared(""), &bob, &other),
    ];
    let decide = async || limiter.check_all(&charges, Action::Consume).await.unwrap();
    for _ in 0..2 {
        assert_eq!(decide().await.outcomes()[1].remaining(), 50);
    }
    limiter.check(&other, "bob").await.unwrap();
    assert_eq!(decide().await.outcomes()[1].remaining(), 49);
}
