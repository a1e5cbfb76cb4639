//! loom's atomics, of which a test can weaken one ordering.

use loom::sync::atomic;
pub(super) use loom::sync::atomic::Ordering;
use std::cell::Cell;

/// An ordering to leave out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weakened {
    Nothing,
    AcquireLoad,
    AcquireFence,
    ReleaseStore,
    ReleaseFence,
}

thread_local! {
    /// loom runs all threads of a program on the thread of its test.
    static WEAKENED: Cell<Weakened> = const { Cell::new(Weakened::Nothing) };
}

/// Leaves out an ordering until the result is dropped.
#[must_use]
pub(super) fn weaken(ordering: Weakened) -> impl Drop {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            WEAKENED.set(Weakened::Nothing);
        }
    }
    WEAKENED.set(ordering);
    Restore
}

fn unless(weakened: Weakened, order: Ordering) -> Ordering {
    if WEAKENED.get() == weakened {
        Ordering::Relaxed
    } else {
        order
    }
}

#[derive(Debug)]
pub(super) struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(super) fn new(value: u64) -> Self {
        Self(atomic::AtomicU64::new(value))
    }

    pub(super) fn load(&self, order: Ordering) -> u64 {
        self.0.load(unless(Weakened::AcquireLoad, order))
    }

    pub(super) fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, unless(Weakened::ReleaseStore, order));
    }
}

pub(super) fn fence(order: Ordering) {
    let weakened = match order {
        Ordering::Acquire => Weakened::AcquireFence,
        Ordering::Release => Weakened::ReleaseFence,
        order => panic!("a fence with {order:?}"),
    };
    if WEAKENED.get() != weakened {
        atomic::fence(order);
    }
}
