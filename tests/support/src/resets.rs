//! How many budgets a reset clears, whatever the store.

use limit_runtime::{Limiter, Strategy, limits};
use std::num::NonZeroU64;

/// A budget is a scope, a key and a strategy, however many windows its limits have.
///
/// # Panics
/// When a reset clears another number of budgets than it returns, or than there are.
pub async fn a_reset_returns_how_many_budgets_it_clears(limiter: &Limiter) {
    let limits = limits!("9/minute; 90/hour");
    let burst = NonZeroU64::new(9).unwrap();
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ];
    for number in 0..=strategies.len() {
        let counted = strategies.iter().take(number).copied();
        for strategy in counted.clone() {
            for (scope, key) in [("jobs", "alice"), ("jobs", "bob"), ("mails", "alice")] {
                let check = limiter.check(&limits, key).scope(scope).strategy(strategy);
                assert!(check.await.unwrap().is_allowed());
            }
        }
        let cleared = limiter.reset_key("jobs", "alice").await.unwrap();
        assert_eq!(cleared, number as u64);
        assert_eq!(limiter.reset_key("jobs", "alice").await.unwrap(), 0);
        for strategy in counted {
            let check = limiter.check(&limits, "alice").scope("jobs").peek();
            let decision = check.strategy(strategy).await.unwrap();
            for outcome in decision.outcomes() {
                assert_eq!(outcome.remaining(), outcome.capacity().get());
            }
        }
        assert_eq!(limiter.reset_key("jobs", "bob").await.unwrap(), cleared);
        assert_eq!(limiter.reset_key("mails", "alice").await.unwrap(), cleared);
    }
}
