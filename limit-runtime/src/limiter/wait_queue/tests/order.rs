//! The order of one queue, and what is refused on arrival.

use super::super::{WaitMode, acquire};
use super::{
    Answer, Rule, answer, answers_to_six_at_once, build, limiter, one_per_two_seconds, request,
    secs, send, settle, waiting,
};
use crate::{limiter::Limiter, store::Action};
use limit_core::limits;
use std::{
    future::Future,
    pin::pin,
    slice,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

#[tokio::test(start_paused = true)]
async fn a_turn_beyond_the_wait_is_refused_on_arrival() {
    let limiter = limiter();
    let rule = [one_per_two_seconds(secs(5))];
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(send(&limiter, &rule).await);
    }
    let mut seen = Vec::new();
    for answer in answers {
        seen.push(answer.await.unwrap());
    }
    assert_eq!(seen, answers_to_six_at_once());
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_even_if_its_cost_fits() {
    let limiter = limiter();
    let rule = Rule::new("model", limits!("10/2s"), secs(60));
    assert_eq!(
        answer(&limiter, &[rule.clone().cost(6)], WaitMode::Allowed).await,
        Answer::Admitted(0)
    );
    let large = send(&limiter, &[rule.clone().cost(8)]).await;
    let small = send(&limiter, &[rule.clone().cost(4)]).await;
    let smaller = send(&limiter, &[rule.clone().cost(2)]).await;
    assert_eq!(waiting(&limiter), 3);
    assert_eq!(large.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(smaller.await.unwrap(), Answer::Admitted(4_000));
    assert_eq!(small.await.unwrap(), Answer::Admitted(4_000));
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_that_may_not_wait_is_refused_with_its_turn() {
    let limiter = limiter();
    let rule = Rule::new("model", limits!("10/2s"), secs(60));
    answer(&limiter, &[rule.clone().cost(6)], WaitMode::Allowed).await;
    let large = send(&limiter, &[rule.clone().cost(8)]).await;
    // It fits beside the 6, and beside the 8 when these have their turn.
    let no_wait = [rule.clone().cost(2).max_wait(Duration::ZERO)];
    let refused = Answer::Refused(0, Some(2_000));
    assert_eq!(answer(&limiter, &no_wait, WaitMode::Allowed).await, refused);
    assert_eq!(
        answer(&limiter, &[rule.clone().cost(2)], WaitMode::Never).await,
        refused
    );
    // This one has its turn when the 8 leave again.
    let refused = Answer::Refused(0, Some(4_000));
    assert_eq!(
        answer(&limiter, &[rule.clone().cost(4)], WaitMode::Never).await,
        refused
    );
    assert_eq!(waiting(&limiter), 1);
    assert_eq!(large.await.unwrap(), Answer::Admitted(2_000));
    // Nothing waits any more: it is an ordinary check.
    assert_eq!(
        answer(&limiter, &[rule.cost(2)], WaitMode::Never).await,
        Answer::Admitted(0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_mode_without_waiting_refuses_as_the_store_does() {
    let limiter = limiter();
    let rule = [one_per_two_seconds(secs(5))];
    assert_eq!(
        answer(&limiter, &rule, WaitMode::Never).await,
        Answer::Admitted(0)
    );
    assert_eq!(
        answer(&limiter, &rule, WaitMode::Never).await,
        Answer::Refused(0, Some(2_000))
    );
    assert_eq!(waiting(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_with_the_turn_and_leaves_nothing_behind() {
    for (longest, turn) in [(0, 2_000), (2, 6_000)] {
        let limiter = build(Limiter::builder().max_waiting(longest));
        let rule = [one_per_two_seconds(secs(60))];
        answer(&limiter, &rule, WaitMode::Allowed).await;
        let mut waiters = JoinSet::new();
        for _ in 0..longest {
            let (limiter, rule) = (limiter.clone(), rule.clone());
            waiters.spawn(async move { answer(&limiter, &rule, WaitMode::Allowed).await });
            settle().await;
        }
        assert_eq!(waiting(&limiter), longest);
        let full = answer(&limiter, &rule, WaitMode::Allowed).await;
        assert_eq!(full, Answer::Refused(0, Some(turn)));
        waiters.join_all().await;
        sleep(secs(2)).await;
        assert_eq!(waiting(&limiter), 0);
        assert_eq!(
            answer(&limiter, &rule, WaitMode::Allowed).await,
            Answer::Admitted(0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_peek_is_refused_only_if_the_charge_could_not_wait() {
    let limiter = limiter();
    let rule = one_per_two_seconds(secs(5));
    let peek = async |mode| {
        let charge = [rule.charge().cost(0)];
        let decision = acquire(
            &limiter,
            &charge,
            Action::Peek,
            &[secs(5).into()],
            mode,
            |_| (),
        )
        .await;
        let decision = decision.map(|(decision, _)| decision);
        let decision = decision.unwrap();
        (decision.is_allowed(), decision.retry_after())
    };
    let request = slice::from_ref(&rule);
    assert_eq!(peek(WaitMode::Allowed).await, (true, None));
    answer(&limiter, request, WaitMode::Allowed).await;
    assert_eq!(peek(WaitMode::Allowed).await, (true, None));
    let mut waiters = vec![send(&limiter, request).await];
    // Its turn is after 4 s, and not after 6.
    assert_eq!(peek(WaitMode::Allowed).await, (true, None));
    waiters.push(send(&limiter, request).await);
    assert_eq!(peek(WaitMode::Allowed).await, (false, Some(secs(6))));
    assert_eq!(peek(WaitMode::Never).await, (false, Some(secs(6))));
    assert_eq!(waiting(&limiter), 2);
    for waiter in waiters {
        assert!(matches!(waiter.await.unwrap(), Answer::Admitted(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_never_fits_does_not_wait() {
    let limiter = limiter();
    let rule = Rule::new("model", limits!("3/2s"), secs(60));
    let never = Answer::Refused(0, None);
    let too_large = [rule.clone().cost(4)];
    assert_eq!(answer(&limiter, &too_large, WaitMode::Allowed).await, never);
    answer(&limiter, &[rule.clone().cost(3)], WaitMode::Allowed).await;
    let _waiter = send(&limiter, slice::from_ref(&rule)).await;
    assert_eq!(answer(&limiter, &too_large, WaitMode::Allowed).await, never);
}

#[tokio::test(start_paused = true)]
async fn a_wait_may_be_longer_than_any_clock_can_represent() {
    let limiter = limiter();
    let rule = [one_per_two_seconds(Duration::MAX)];
    answer(&limiter, &rule, WaitMode::Allowed).await;
    let first = send(&limiter, &rule).await;
    let second = send(&limiter, &rule).await;
    assert_eq!(first.await.unwrap(), Answer::Admitted(2_000));
    assert_eq!(second.await.unwrap(), Answer::Admitted(4_000));
}

#[test]
fn outside_of_a_runtime_a_request_is_refused_at_once() {
    let limiter = Limiter::new();
    let rule = [Rule::new("model", limits!("1/hour"), secs(7_200))];
    for is_allowed in [true, false] {
        let mut context = Context::from_waker(Waker::noop());
        let sent = pin!(request(&limiter, &rule, WaitMode::Allowed));
        let Poll::Ready(decision) = sent.poll(&mut context) else {
            unreachable!("it waits");
        };
        assert_eq!(decision.unwrap().is_allowed(), is_allowed);
    }
    assert_eq!(waiting(&limiter), 0);
}
