//! Checks of a store that is awaited.

use super::super::WaitMode;
use super::{
    Answer, Rule, SlowStore, answer, answers_to_six_at_once, one_per_two_seconds, secs, send,
    waiting,
};
use limit_core::limits;
use std::sync::atomic::Ordering;
use tokio::{
    task::{JoinSet, yield_now},
    time::sleep,
};

#[tokio::test(start_paused = true)]
async fn concurrent_requests_to_a_remote_store_have_exact_turns() {
    let (limiter, store) = SlowStore::limiter();
    let mut requests = JoinSet::new();
    for number in 0..6 {
        let limiter = limiter.clone();
        let rule = [one_per_two_seconds(secs(5))];
        requests.spawn(async move { (number, answer(&limiter, &rule, WaitMode::Allowed).await) });
    }
    let mut answers = requests.join_all().await;
    answers.sort_by_key(|&(number, _)| number);
    let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(answers, answers_to_six_at_once());
    assert_eq!(waiting(&limiter), 0);
    // A check for each, and one for each turn that was computed anew; nothing is polled.
    let asked = store.asked();
    assert!(asked <= 6 + 4 + 3 + 3 + 4, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_remote_store_is_checked_at_a_turn_and_not_before() {
    let (limiter, store) = SlowStore::limiter();
    let rule = [Rule::new("model", limits!("1/minute"), secs(600))];
    answer(&limiter, &rule, WaitMode::Allowed).await;
    let first = send(&limiter, &rule).await;
    let second = send(&limiter, &rule).await;
    sleep(secs(50)).await;
    let before = store.asked();
    assert_eq!(first.await.unwrap(), Answer::Admitted(60_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(120_000));
    // One check for the first; for the second when it is the first, and at its turn.
    assert_eq!(store.asked() - before, 3);
}

/// While the store is being asked for the waiter ahead, a newcomer does not know whether the store
/// has counted that one already.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_being_checked_does_not_count_twice() {
    for delay in [0, 20] {
        let (limiter, store) = SlowStore::limiter();
        let rule = [one_per_two_seconds(secs(3))];
        for polls in 0..30 {
            answer(&limiter, &rule, WaitMode::Allowed).await;
            let first = send(&limiter, &rule).await;
            // In the middle of the check of the waiter, with each distance between the two. Where
            // the answer to it is slow, that to the other overtakes it.
            store.delay.store(delay, Ordering::Relaxed);
            sleep(secs(2)).await;
            for _ in 0..polls {
                yield_now().await;
            }
            store.delay.store(0, Ordering::Relaxed);
            let second = answer(&limiter, &rule, WaitMode::Allowed).await;
            assert_eq!(second, Answer::Admitted(2_000), "after {polls} polls");
            assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
            sleep(secs(2)).await;
        }
    }
}
