//! Random requests: limits and order hold, and no wake-up is lost.

use super::super::{Arrival, QueueKey, WaitMode};
use super::{DropAfter, Rule, SlowStore, limiter, millis, request, secs, waiting};
use crate::limiter::Limiter;
use limit_core::limits;
use parking_lot::Mutex;
use std::sync::{Arc, atomic::Ordering};
use test_support::random::Random;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// What was admitted in one budget: when, in milliseconds, and how much.
type Admissions = Arc<Mutex<Vec<(u128, u64)>>>;

/// Many requests under two rules, which come at random, cost at random, and are dropped at random.
async fn random_requests(seed: u64, limiter: Limiter, is_ordered: bool) {
    let mut random = Random::new(seed);
    let limits = [limits!("7/1s"), limits!("3/2s; 5/5s")];
    let admissions: Vec<Admissions> = (0..4).map(|_| Admissions::default()).collect();
    let mut requests = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..400 {
        let client = random.below(3) as usize;
        let max_wait = |random: &mut Random| [secs(0), secs(1), secs(6)][random.below(3) as usize];
        let cost = |random: &mut Random| 1 + random.below(3);
        let rules = [
            Rule::new("all", limits[0], max_wait(&mut random)).cost(cost(&mut random)),
            Rule::new("client", limits[1], max_wait(&mut random))
                .cost(cost(&mut random))
                .key(client as u64),
        ];
        let rules = match random.below(4) {
            0 => rules[..1].to_vec(),
            1 => rules[1..].to_vec(),
            _ => rules.to_vec(),
        };
        let gives_up = millis([10_000, random.below(3_000)][random.below(2) as usize]);
        let limiter = limiter.clone();
        let admissions = admissions.clone();
        requests.spawn(async move {
            let queues = limiter.wait_queues();
            let start = Instant::now();
            let arrival = Arrival(queues.next_arrival.load(Ordering::Relaxed));
            let sent = request(&limiter, &rules, WaitMode::Allowed);
            let Ok(decision) = timeout(gives_up, sent).await else {
                return;
            };
            let decision = decision.unwrap();
            let waited = start.elapsed();
            let longest = rules.iter().map(|rule| rule.max_wait).max().unwrap();
            assert!(waited <= longest, "waited for {waited:?} of {longest:?}");
            if !decision.is_allowed() {
                assert!(decision.retry_after().is_some());
                return;
            }
            for rule in &rules {
                // First come, first served: those that still wait in its queues came later.
                let key = QueueKey::of(&rule.charge());
                let ahead = queues.queues.lock().waiters_before(&key, arrival).count();
                assert!(
                    ahead == 0 || !is_ordered,
                    "overtook a waiter of {}",
                    rule.scope
                );
                let budget = match rule.scope {
                    "all" => 3,
                    _ => client,
                };
                let at = begin.elapsed().as_millis();
                admissions[budget].lock().push((at, rule.cost));
            }
        });
        if random.below(3) > 0 {
            sleep(millis(random.below(300))).await;
        }
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
    assert_eq!(waiting(&limiter), 0);
    for (budget, admitted) in admissions.iter().enumerate() {
        let admitted = admitted.lock();
        assert!(admitted.len() > 10, "{admitted:?}");
        for limit in &limits[usize::from(budget < 3)] {
            for &(from, _) in admitted.iter() {
                let window = from..from + u128::from(limit.window_millis());
                let within = admitted.iter().filter(|(at, _)| window.contains(at));
                let units: u64 = within.map(|&(_, cost)| cost).sum();
                assert!(units <= limit.count().get(), "{units} from {from} ms on");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_requests_keep_limits_and_order() {
    for seed in 1..=8 {
        random_requests(seed, limiter(), true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn random_requests_keep_limits_with_a_remote_store() {
    // Checks that are under way at once have no order among them.
    for seed in 1..=4 {
        random_requests(seed, SlowStore::limiter().0, false).await;
    }
}

/// Real threads and real time: a wake-up that gets lost would leave a request waiting for 60 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_between_threads() {
    let limiter = Limiter::new();
    let mut requests = JoinSet::new();
    for number in 0..60_u64 {
        let limiter = limiter.clone();
        requests.spawn(async move {
            let mut random = Random::new(number + 1);
            for _ in 0..6 {
                let rule = Rule::new("model", limits!("12/4ms"), secs(60));
                let rule = [rule.cost(1 + random.below(3))];
                let sent = request(&limiter, &rule, WaitMode::Allowed);
                if random.below(4) == 0 {
                    // Dropped while it waits, or as it is woken.
                    let polls = 1 + random.below(3) as usize;
                    let future = Some(Box::pin(sent));
                    DropAfter { future, polls }.await;
                } else {
                    let decision = timeout(secs(30), sent).await.unwrap().unwrap();
                    assert!(decision.is_allowed());
                }
            }
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
    assert_eq!(waiting(&limiter), 0);
}
