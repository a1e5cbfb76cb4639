//! A refused request gets the exact time of its turn.

use super::super::WaitMode;
use super::{Answer, Rule, answer, limiter, millis, secs, send, settle, waiting};
use crate::{store::Action, window::Strategy};
use limit_core::{Limits, limits};
use std::{num::NonZeroU64, time::Duration};
use test_support::random::Random;
use tokio::time::{Instant, sleep};

/// The `Retry-After` of a refused request is the moment from which a lone retry fits.
async fn turns_are_exact(strategies: &[Strategy], limits: &[Limits], equal_costs: bool) {
    let mut random = Random::new(0x5eed);
    for round in 0..120 {
        let pick = |random: &mut Random, len: usize| random.below(len as u64) as usize;
        let strategy = strategies[pick(&mut random, strategies.len())];
        let limits = limits[pick(&mut random, limits.len())];
        let rule = Rule::new("model", limits, secs(3_600)).strategy(strategy);
        let smallest = limits
            .iter()
            .map(|limit| strategy.capacity(*limit).get())
            .min();
        let largest = smallest.unwrap();
        let equal = 1 + random.below(largest);
        let cost = |random: &mut Random| match equal_costs {
            true => equal,
            false => 1 + random.below(largest),
        };
        let limiter = limiter();
        let mut waiters = Vec::new();
        for _ in 0..random.below(20) {
            sleep(millis(random.below(2) * random.below(1_000))).await;
            let cost = cost(&mut random);
            waiters.push(send(&limiter, &[rule.clone().cost(cost)]).await);
        }
        let own = [rule
            .clone()
            .cost(cost(&mut random))
            .max_wait(Duration::ZERO)];
        let start = Instant::now();
        let refused = match answer(&limiter, &own, WaitMode::Allowed).await {
            Answer::Refused(0, Some(turn)) => turn as u64,
            Answer::Admitted(0) => continue,
            answer => unreachable!("{answer:?}"),
        };
        let context = format!("round {round}: {strategy:?}, {limits}, {own:?}");
        let peek = async || {
            let charge = [own[0].charge()];
            limiter
                .check_all(&charge, Action::Peek)
                .await
                .unwrap()
                .is_allowed()
        };
        sleep(millis(refused - 1)).await;
        settle().await;
        assert_eq!(start.elapsed(), millis(refused - 1));
        assert!(
            waiting(&limiter) > 0 || !peek().await,
            "too late: {context}"
        );
        sleep(millis(1)).await;
        settle().await;
        assert_eq!(waiting(&limiter), 0, "too early: {context}");
        assert!(peek().await, "too early: {context}");
        for waiter in waiters {
            assert!(
                matches!(waiter.await.unwrap(), Answer::Admitted(_)),
                "{context}"
            );
        }
    }
}

fn gcra(burst: u64) -> Strategy {
    let burst = NonZeroU64::new(burst).unwrap();
    Strategy::Gcra { burst }
}

#[tokio::test(start_paused = true)]
async fn turns_are_exact_for_equal_costs() {
    let limits = [
        limits!("1/2s"),
        limits!("2/1s"),
        limits!("5/10s"),
        limits!("8/1s"),
    ];
    let strategies = [
        Strategy::MovingWindow,
        Strategy::FixedWindow,
        gcra(1),
        gcra(3),
        gcra(20),
    ];
    turns_are_exact(&strategies, &limits, true).await;
}

#[tokio::test(start_paused = true)]
async fn turns_are_exact_for_any_costs() {
    let limits = [
        limits!("2/1s"),
        limits!("5/10s"),
        limits!("8/1s"),
        limits!("20/4s"),
    ];
    let strategies = [Strategy::MovingWindow, gcra(1), gcra(3), gcra(20)];
    turns_are_exact(&strategies, &limits, false).await;
}

#[tokio::test(start_paused = true)]
async fn turns_are_exact_under_several_limits() {
    let limits = [
        limits!("1/1s; 2/10s"),
        limits!("2/1s; 5/4s; 12/20s"),
        limits!("3/2s; 4/3s"),
    ];
    turns_are_exact(&[Strategy::MovingWindow], &limits, false).await;
}
