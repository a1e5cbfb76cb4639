//! When the first waiter checks again before its turn.

use super::super::WaitMode;
use super::{
    Answer, Rule, SlowStore, answer, limiter, millis, one_per_two_seconds, request, secs, send,
    waiting,
};
use crate::store::Action;
use limit_core::limits;
use std::slice;
use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};

#[tokio::test(start_paused = true)]
async fn a_refund_lets_the_first_waiter_check_again() {
    let limiter = limiter();
    let rule = [Rule::new("model", limits!("1/minute"), secs(60))];
    let decision = request(&limiter, &rule, WaitMode::Allowed).await.unwrap();
    let waiter = send(&limiter, &rule).await;
    let next = send(&limiter, &rule).await;
    assert_eq!(next.await.unwrap(), Answer::Refused(0, Some(120_000)));
    sleep(secs(1)).await;
    limiter
        .refund(&[rule[0].charge()], decision.receipts())
        .await
        .unwrap();
    assert_eq!(waiter.await.unwrap(), Answer::Admitted(1_000));
    for clears in 0..2 {
        let waiter = send(&limiter, &rule).await;
        sleep(secs(1)).await;
        match clears {
            0 => {
                limiter.reset_key("model", ()).await.unwrap();
            }
            _ => limiter.reset_all().await.unwrap(),
        }
        assert_eq!(waiter.await.unwrap(), Answer::Admitted(1_000));
    }
}

/// What frees no room for the waiter makes it wait longer, or refuses it as soon as that is known.
#[tokio::test(start_paused = true)]
async fn units_that_are_charged_outside_of_the_queue_delay_it() {
    let limiter = limiter();
    let patient = one_per_two_seconds(secs(60));
    let impatient = [patient.clone().max_wait(secs(5))];
    answer(&limiter, slice::from_ref(&patient), WaitMode::Allowed).await;
    let first = send(&limiter, slice::from_ref(&patient)).await;
    let second = send(&limiter, &impatient).await;
    sleep(secs(1)).await;
    // Two more units than fit: the first has its turn after 3 s, and the second after 5.
    let charge = [patient.charge()];
    limiter.check_all(&charge, Action::Force).await.unwrap();
    assert_eq!(first.await.unwrap(), Answer::Admitted(3_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(5_000));
    let first = send(&limiter, slice::from_ref(&patient)).await;
    let second = send(&limiter, &impatient).await;
    sleep(secs(1)).await;
    limiter.check_all(&charge, Action::Force).await.unwrap();
    sleep(millis(1_500)).await;
    limiter.check_all(&charge, Action::Force).await.unwrap();
    // The first has its turn 4.5 s after it came, and so the second 6.5 s.
    assert_eq!(first.await.unwrap(), Answer::Admitted(4_500));
    assert_eq!(second.await.unwrap(), Answer::Refused(4_500, Some(2_000)));
    assert_eq!(waiting(&limiter), 0);
}

/// The first waiter sleeps until its turn. A check that finds room before that wakes it.
#[tokio::test(start_paused = true)]
async fn room_that_another_machine_makes_is_used_when_it_is_seen() {
    let (limiter, store) = SlowStore::limiter();
    let rule = [Rule::new("model", limits!("2/minute"), secs(90))];
    let charge = [rule[0].charge().cost(2)];
    store
        .memory
        .check_all(&charge, Action::Consume)
        .await
        .unwrap();
    let first = send(&limiter, &rule).await;
    sleep(secs(1)).await;
    store.memory.reset_all().await.unwrap();
    sleep(secs(1)).await;
    let newcomer = send(&limiter, &rule).await;
    assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(newcomer.await.unwrap(), Answer::Admitted(0));
}

/// A waiter sees room for all at the end of its wait, which is gone before the first one takes it.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_ran_out_of_time_does_not_wait_for_the_turn_of_the_first() {
    for polls in 0..32 {
        let (limiter, store) = SlowStore::limiter();
        let rule = Rule::new("model", limits!("2/minute"), secs(300));
        let charge = [rule.charge().cost(2)];
        store
            .memory
            .check_all(&charge, Action::Consume)
            .await
            .unwrap();
        let _first = send(&limiter, slice::from_ref(&rule)).await;
        sleep(secs(30)).await;
        let second = send(&limiter, &[rule.clone().max_wait(secs(40))]).await;
        // Half a minute later, the turn of both is put off, and then all is cleared.
        sleep(secs(29)).await;
        store
            .memory
            .check_all(&charge, Action::Force)
            .await
            .unwrap();
        sleep(secs(10)).await;
        store.memory.reset_all().await.unwrap();
        sleep(secs(1)).await;
        for _ in 0..polls {
            yield_now().await;
        }
        store
            .memory
            .check_all(&charge, Action::Force)
            .await
            .unwrap();
        let answer = timeout(secs(1), second).await;
        assert!(answer.is_ok(), "after {polls} polls");
    }
}
