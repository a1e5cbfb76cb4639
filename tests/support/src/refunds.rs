//! What every limiter must hold of refunds: a receipt gives back what its charge consumed, once.

use limit_runtime::{
    IntoKey, Limiter, Limits, Strategy,
    clock::TestClock,
    store::{Action, Charge, Scope},
};
use std::{num::NonZeroU64, sync::Arc, time::Duration};

/// Presents receipts again and again to a limiter whose clock is stopped. The budgets must be new.
///
/// # Panics
/// When more is given back than was consumed.
pub async fn a_receipt_refunds_once(limiter: &Limiter) {
    let burst = NonZeroU64::new(20).unwrap();
    for strategy in [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        Strategy::SlidingWindow,
        Strategy::Gcra { burst },
    ] {
        twice(limiter, strategy).await;
        in_parts(limiter, strategy).await;
        by_clones(limiter, strategy).await;
        for_more_than_it_cost(limiter, strategy).await;
        of_several_charges(limiter, strategy).await;
        by_many_tasks(limiter, strategy).await;
    }
}

/// Refunds the last of `charges` that a limiter has counted within a moment, three at one time:
/// half of them the oldest first, the others the newest first. That many hits are merged, and each
/// of their units must be given back.
///
/// # Panics
/// When not all of what is refunded is given back.
pub async fn merged_hits_are_refunded(
    limiter: &Limiter,
    clock: &TestClock,
    charges: u64,
    refunded: usize,
) {
    let budget = Budget {
        name: "merged",
        key: "merged".into_key(),
        limits: limit_runtime::limits!("1_000_000/day"),
        strategy: Strategy::MovingWindow,
    };
    let mut receipts = Vec::new();
    for number in 0..charges {
        if number % 3 == 0 {
            clock.advance(Duration::from_micros(200));
        }
        let cost = 1 + number % 5;
        receipts.push((cost, budget.consume(limiter, cost).await));
    }
    let kept = receipts.drain(..receipts.len() - refunded);
    let kept: u64 = kept.map(|(cost, _)| cost).sum();
    let newer = receipts.split_off(refunded / 2);
    for (cost, decision) in receipts.into_iter().chain(newer.into_iter().rev()) {
        let charges = [budget.charge(cost)];
        let refund = limiter.refund(&charges, decision.receipts());
        refund.await.unwrap();
    }
    budget.must_have_left(limiter, 1_000_000 - kept).await;
}

/// Limits and a key for one strategy and one kind of refund.
struct Budget {
    name: &'static str,
    key: limit_runtime::Key,
    limits: Limits,
    strategy: Strategy,
}

impl Budget {
    fn new(name: &'static str, strategy: Strategy) -> Self {
        Self {
            name,
            key: format!("{name} {strategy:?}").into_key(),
            limits: limit_runtime::limits!("20/minute"),
            strategy,
        }
    }

    fn charge(&self, cost: u64) -> Charge<'_> {
        Charge::new(Scope::shared("refunds"), &self.key, &self.limits)
            .cost(cost)
            .strategy(self.strategy)
    }

    async fn consume(&self, limiter: &Limiter, cost: u64) -> limit_runtime::Decision {
        let decision = limiter
            .check_all(&[self.charge(cost)], Action::Consume)
            .await;
        let decision = decision.unwrap();
        assert!(decision.is_allowed());
        decision
    }

    async fn must_have_left(&self, limiter: &Limiter, left: u64) {
        let decision = limiter.check_all(&[self.charge(0)], Action::Peek).await;
        let found = decision.unwrap().outcomes()[0].remaining();
        assert_eq!(found, left, "{} {:?}", self.name, self.strategy);
    }
}

async fn twice(limiter: &Limiter, strategy: Strategy) {
    let budget = Budget::new("twice", strategy);
    let first = budget.consume(limiter, 3).await;
    budget.consume(limiter, 5).await;
    for _ in 0..3 {
        let charges = [budget.charge(3)];
        limiter.refund(&charges, first.receipts()).await.unwrap();
        budget.must_have_left(limiter, 15).await;
    }
}

async fn in_parts(limiter: &Limiter, strategy: Strategy) {
    let budget = Budget::new("in parts", strategy);
    budget.consume(limiter, 7).await;
    let second = budget.consume(limiter, 8).await;
    for left in [8, 11, 13, 13] {
        let charges = [budget.charge(3)];
        limiter.refund(&charges, second.receipts()).await.unwrap();
        budget.must_have_left(limiter, left).await;
    }
}

async fn by_clones(limiter: &Limiter, strategy: Strategy) {
    let budget = Budget::new("by clones", strategy);
    let first = budget.consume(limiter, 3).await;
    budget.consume(limiter, 9).await;
    let (decision, receipts) = (first.clone(), first.receipts().to_vec());
    for receipts in [decision.receipts(), first.receipts(), &receipts] {
        let charges = [budget.charge(3)];
        limiter.refund(&charges, receipts).await.unwrap();
        budget.must_have_left(limiter, 11).await;
    }
}

async fn for_more_than_it_cost(limiter: &Limiter, strategy: Strategy) {
    let budget = Budget::new("for more than it cost", strategy);
    budget.consume(limiter, 6).await;
    let second = budget.consume(limiter, 2).await;
    let charges = [budget.charge(8)];
    limiter.refund(&charges, second.receipts()).await.unwrap();
    budget.must_have_left(limiter, 14).await;
}

async fn of_several_charges(limiter: &Limiter, strategy: Strategy) {
    let (one, other) = (
        Budget::new("one of several", strategy),
        Budget::new("another of several", strategy),
    );
    one.consume(limiter, 4).await;
    other.consume(limiter, 4).await;
    let charges = [one.charge(3), other.charge(2)];
    let decision = limiter.check_all(&charges, Action::Consume).await.unwrap();
    for _ in 0..2 {
        limiter.refund(&charges, decision.receipts()).await.unwrap();
    }
    one.must_have_left(limiter, 16).await;
    other.must_have_left(limiter, 16).await;
}

async fn by_many_tasks(limiter: &Limiter, strategy: Strategy) {
    let budget = Arc::new(Budget::new("by many tasks", strategy));
    budget.consume(limiter, 10).await;
    let decision = Arc::new(budget.consume(limiter, 8).await);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (limiter, budget, decision) = (limiter.clone(), budget.clone(), decision.clone());
            tokio::spawn(async move {
                let charges = [budget.charge(5)];
                limiter.refund(&charges, decision.receipts()).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    budget.must_have_left(limiter, 10).await;
}
