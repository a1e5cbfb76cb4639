use super::table::{Budget, Permits};
use crate::{key::IntoKey, store::Scope};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

fn budget(key: &str) -> Budget {
    Budget::new(Scope::shared("models"), &key.into_key())
}

#[test]
fn threads_hold_no_more_permits_than_allowed_and_leave_nothing() {
    let permits = Permits::default();
    let held = [AtomicU64::new(0), AtomicU64::new(0)];
    thread::scope(|scope| {
        for index in 0..8 {
            let (permits, held) = (&permits, &held[index % 2]);
            scope.spawn(move || {
                let budget = budget(["a", "b"][index % 2]);
                let mut taken = 0;
                while taken < 5_000 {
                    let arrival = permits.next_arrival();
                    if permits.try_take(&budget, 3, arrival) {
                        taken += 1;
                        let now = held.fetch_add(1, Ordering::SeqCst) + 1;
                        assert!(now <= 3, "{now}");
                        held.fetch_sub(1, Ordering::SeqCst);
                        permits.release(&budget, None);
                    }
                }
            });
        }
    });
    assert_eq!((permits.in_flight(), permits.entries()), (0, 0));
}

#[test]
fn nothing_overtakes_a_waiter() {
    let (permits, budget) = (Permits::default(), budget("a"));
    let [holder, first, second, later] = [(); 4].map(|()| permits.next_arrival());
    assert!(permits.try_take(&budget, 1, holder));
    let wake = permits.join(&budget, second, 2).unwrap();
    // The queue is in order of arrival, not of joining.
    assert!(permits.join(&budget, first, 2).is_some());
    assert!(permits.join(&budget, later, 2).is_none());
    permits.release(&budget, None);
    assert!(!permits.try_take(&budget, 1, later));
    assert!(!permits.try_take(&budget, 1, second));
    permits.leave(&budget, first);
    assert!(permits.try_take(&budget, 1, second));
    permits.leave(&budget, second);
    drop(wake);
    assert_eq!(permits.waiting(&budget), 0);
    assert!(!permits.try_take(&budget, 1, later));
    assert!(permits.try_take(&budget, 2, later));
    permits.release(&budget, None);
    permits.release(&budget, None);
    assert_eq!(permits.entries(), 0);
}
