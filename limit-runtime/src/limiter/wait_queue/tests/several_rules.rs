//! Requests under several rules, which wait where they are refused.

use super::super::WaitMode;
use super::{Answer, Rule, answer, is_queue_of, limiter, secs, send, waiting};
use limit_core::limits;
use std::{slice, time::Duration};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_request_waits_only_where_it_is_refused() {
    let limiter = limiter();
    let rules = |client: u64| {
        [
            Rule::new("all", limits!("1_000/second"), secs(3)),
            Rule::new("client", limits!("1/2s"), secs(3)).key(client),
        ]
    };
    let mut first = Vec::new();
    for _ in 0..70 {
        first.push(send(&limiter, &rules(1)).await);
    }
    assert_eq!(waiting(&limiter), 1);
    assert!(!is_queue_of(limiter.wait_queues(), &rules(1)[0]));
    assert_eq!(
        answer(&limiter, &rules(2), WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    let mut served = 0;
    for answer in first {
        served += u64::from(matches!(answer.await.unwrap(), Answer::Admitted(_)));
    }
    assert_eq!(served, 2);
}

/// A request that is refused by another rule at its turn goes to that queue, ahead of those that
/// arrived after it, and with what is left of its wait.
#[tokio::test(start_paused = true)]
async fn a_request_moves_to_the_queue_of_the_rule_that_refuses_now() {
    let limiter = limiter();
    let first = Rule::new("first", limits!("1/2s"), secs(60));
    let second = Rule::new("second", limits!("1/10s"), secs(60));
    answer(&limiter, slice::from_ref(&first), WaitMode::Allowed).await;
    // Waits for `first`, as `second` has room.
    let both = send(&limiter, &[first.clone(), second.clone()]).await;
    let impatient = [first.clone(), second.clone().max_wait(secs(9))];
    let impatient = send(&limiter, &impatient).await;
    assert!(is_queue_of(limiter.wait_queues(), &first));
    assert!(!is_queue_of(limiter.wait_queues(), &second));
    // `second` is taken meanwhile, and has a waiter that arrived later.
    assert_eq!(
        answer(&limiter, slice::from_ref(&second), WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    let later = send(&limiter, slice::from_ref(&second)).await;
    sleep(secs(3)).await;
    assert!(!is_queue_of(limiter.wait_queues(), &first));
    // Both found that out at their turn; one had 7 seconds left, of a turn 18 seconds away.
    assert!(impatient.is_finished());
    assert_eq!(
        impatient.await.unwrap(),
        Answer::Refused(2_000, Some(18_000))
    );
    assert_eq!(both.await.unwrap(), Answer::Admitted(10_000));
    assert_eq!(later.await.unwrap(), Answer::Admitted(20_000));
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn of_several_refusing_rules_the_longest_wait_counts() {
    let limiter = limiter();
    let short = Rule::new("short", limits!("1/2s"), secs(1));
    let long = Rule::new("long", limits!("1/4s"), secs(4));
    let rules = [short.clone(), long.clone()];
    assert_eq!(
        answer(&limiter, &rules, WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    assert_eq!(
        answer(&limiter, &rules, WaitMode::Allowed).await,
        Answer::Admitted(4_000)
    );
    // A rule without a wait that refuses, refuses at once.
    let rules = [short.max_wait(Duration::ZERO), long];
    assert_eq!(
        answer(&limiter, &rules, WaitMode::Allowed).await,
        Answer::Refused(0, Some(4_000))
    );
    assert_eq!(waiting(&limiter), 0);
}

/// Waiters of other costs and under other limits on one budget.
#[tokio::test(start_paused = true)]
async fn waiters_may_have_other_limits_on_the_budget() {
    let limiter = limiter();
    let (small, large) = (limits!("2/2s"), limits!("10/2s"));
    let small = Rule::new("model", small, secs(60));
    let large = Rule::new("model", large, secs(60));
    answer(&limiter, &[large.clone().cost(10)], WaitMode::Allowed).await;
    let first = send(&limiter, &[large.cost(9)]).await;
    let second = send(&limiter, &[small.cost(2)]).await;
    assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(4_000));
}

/// A waiter is refused as soon as its turn moves beyond its longest wait.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_pushed_back_is_refused_as_soon_as_it_is_too_late() {
    let limiter = limiter();
    let first = Rule::new("first", limits!("1/2s"), secs(60));
    let second = Rule::new("second", limits!("1/4s"), secs(60));
    answer(&limiter, slice::from_ref(&first), WaitMode::Allowed).await;
    let both = send(&limiter, &[first, second.clone()]).await;
    sleep(secs(1)).await;
    answer(&limiter, slice::from_ref(&second), WaitMode::Allowed).await;
    let pushed = send(&limiter, &[second.max_wait(secs(6))]).await;
    // A second later, the first of them moves ahead of it: its turn is 8 s after it came.
    assert_eq!(pushed.await.unwrap(), Answer::Refused(1_000, Some(7_000)));
    assert_eq!(both.await.unwrap(), Answer::Admitted(5_000));
}
