//! Requests that are dropped while they wait.

use super::super::WaitMode;
use super::{
    Answer, DropAfter, Rule, SlowStore, answer, limiter, millis, request, secs, send, settle,
    waiting,
};
use crate::limiter::Limiter;
use limit_core::limits;
use tokio::time::{Instant, timeout};

/// Drops a waiter after each number of polls, and expects the one behind it to be served as if it
/// had never been there.
async fn drop_at_every_poll(build: impl Fn() -> Limiter) {
    let mut polls = 1;
    let finished = loop {
        let limiter = build();
        let rules = [
            Rule::new("first", limits!("1/2s"), secs(60)),
            Rule::new("second", limits!("1/3s"), secs(60)),
        ];
        answer(&limiter, &rules[..1], WaitMode::Allowed).await;
        let start = Instant::now();
        let dropped = tokio::spawn({
            let (limiter, rules) = (limiter.clone(), rules.clone());
            DropAfter {
                future: Some(Box::pin(async move {
                    request(&limiter, &rules, WaitMode::Allowed).await.unwrap();
                })),
                polls,
            }
        });
        settle().await;
        // Now it has to move to the other queue at its turn.
        answer(&limiter, &rules[1..], WaitMode::Allowed).await;
        let behind = send(&limiter, &rules).await;
        let output = dropped.await.unwrap();
        let after_drop = start.elapsed();
        if output.is_some() {
            assert_eq!(after_drop, secs(3));
            break polls;
        }
        settle().await;
        assert_eq!(
            waiting(&limiter),
            usize::from(!behind.is_finished()),
            "after {polls} polls"
        );
        // It did not consume: the next is served when there is room for one.
        assert_eq!(
            behind.await.unwrap(),
            Answer::Admitted(3_000),
            "after {polls} polls"
        );
        assert_eq!(waiting(&limiter), 0, "after {polls} polls");
        polls += 1;
    };
    assert!(finished >= 3, "it never waited: {finished}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_at_any_poll_leaves_nothing_behind() {
    drop_at_every_poll(limiter).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_a_remote_store_is_awaited_leaves_nothing_behind() {
    drop_at_every_poll(|| SlowStore::limiter().0).await;
}

/// The moment in which a waiter is woken and dropped before it runs.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_as_it_is_woken_wakes_the_next() {
    let limiter = limiter();
    let rule = [Rule::new("model", limits!("1/minute"), secs(600))];
    let decision = request(&limiter, &rule, WaitMode::Allowed).await.unwrap();
    let mut woken = Box::pin(request(&limiter, &rule, WaitMode::Allowed));
    assert!(timeout(millis(1), &mut woken).await.is_err());
    let next = send(&limiter, &rule).await;
    limiter
        .refund(&[rule[0].charge()], decision.receipts())
        .await
        .unwrap();
    drop(woken);
    // The refund is not lost: the other one has it at once.
    assert_eq!(next.await.unwrap(), Answer::Admitted(0));
    assert_eq!(waiting(&limiter), 0);
}
