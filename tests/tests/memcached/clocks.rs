//! Clocks of several machines that differ, or step back.

use limit_runtime::{
    IntoKey, Limits,
    clock::TestClock,
    limits,
    store::{Action, Charge, Scope, Store, memcached::MemcachedStore},
};
use std::time::Duration;
use test_support::{log::Log, memcached_server::Memcached};

const LIMITS: Limits = limits!("10/minute");

/// A machine with a clock of its own.
struct Machine {
    store: MemcachedStore,
    clock: TestClock,
}

impl Machine {
    /// Its clock is ahead by this time.
    fn new(server: &Memcached, ahead: Duration) -> Self {
        let clock = TestClock::new();
        clock.advance(ahead);
        let store = MemcachedStore::new(&server.url()).unwrap();
        Self {
            store: store.clock(clock.clone()),
            clock,
        }
    }

    async fn check(&self, cost: u64) -> limit_runtime::Decision {
        let key = "alice".into_key();
        let charges = [Charge::new(Scope::shared(""), &key, &LIMITS).cost(cost)];
        self.store.check(&charges, Action::Consume).await.unwrap()
    }
}

fn advance(machines: &[&Machine], by: Duration) {
    for machine in machines {
        machine.clock.advance(by);
    }
}

#[tokio::test]
async fn a_slow_clock_admits_no_more_and_waits_are_exact() {
    let server = Memcached::start();
    let skew = Duration::from_millis(300);
    let slow = Machine::new(&server, Duration::ZERO);
    let fast = Machine::new(&server, skew);
    assert!(fast.check(6).await.is_allowed());
    // Stamped with the time of the faster clock.
    let decision = slow.check(4).await;
    assert!(decision.is_allowed());
    assert_eq!(
        decision.outcomes()[0].reset_after(),
        Duration::from_secs(60) + skew
    );
    let denied = slow.check(1).await;
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(60) + skew));
    let tick = Duration::from_micros(1);
    advance(&[&slow, &fast], Duration::from_secs(60) - tick);
    assert!(!fast.check(1).await.is_allowed());
    assert!(!slow.check(1).await.is_allowed());
    advance(&[&slow, &fast], tick);
    assert!(fast.check(1).await.is_allowed(), "its own clock applies");
    assert!(slow.check(1).await.is_allowed(), "the item has moved on");
}

#[tokio::test]
async fn clocks_that_differ_by_more_admit_at_most_what_fits_into_the_difference() {
    let (log, _guard) = Log::capture_thread();
    let server = Memcached::start();
    let slow = Machine::new(&server, Duration::ZERO);
    let fast = Machine::new(&server, Duration::from_secs(10));
    let mut admitted = Vec::new();
    // A hit each second by each machine, for five minutes.
    for second in 0..300 {
        for machine in [&slow, &fast] {
            if machine.check(1).await.is_allowed() {
                admitted.push(second);
            }
        }
        advance(&[&slow, &fast], Duration::from_secs(1));
    }
    let most = (0..240).map(|start| {
        let window = start..start + 50;
        admitted.iter().filter(|at| window.contains(*at)).count()
    });
    let most = most.max().unwrap();
    assert!(
        most <= 10,
        "{most} in a window that is shorter by the difference"
    );
    assert!(log.text().contains("the clock of this machine"));
}

#[tokio::test]
async fn a_clock_that_steps_back_binds_nobody_for_longer_than_a_window() {
    let server = Memcached::start();
    let machine = Machine::new(&server, Duration::from_secs(7_200));
    assert!(machine.check(10).await.is_allowed());
    machine.clock.step_back(Duration::from_secs(3_600));
    let denied = machine.check(1).await;
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(60)));
    machine.clock.advance(Duration::from_secs(30));
    let denied = machine.check(1).await;
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(30)));
    machine.clock.advance(Duration::from_secs(30));
    assert!(machine.check(10).await.is_allowed());
}
