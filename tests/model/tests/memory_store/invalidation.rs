//! A cached denial is not repeated once its budget has changed.

use crate::{
    atomics::{Weakened, weaken},
    explore,
    seqlock::SeqLock,
};
use loom::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use std::sync::Arc;

/// A shard with one budget, and the cache of its denials.
#[derive(Default)]
struct Shard {
    /// How often the budget has changed.
    changes: Mutex<u64>,
    /// The changes of the budget that was denied, and whether the denial is valid.
    denial: SeqLock<2>,
}

const IS_VALID: usize = 1;

impl Shard {
    /// Stores a denial by the budget as it is now.
    fn deny(&self) {
        let changes = self.changes.lock().unwrap();
        self.denial.write([*changes, 1]);
    }

    /// Changes the budget as the store does.
    fn change(&self) {
        let mut changes = self.changes.lock().unwrap();
        *changes += 1;
        self.invalidate();
    }

    /// In the wrong order: not under the lock.
    fn change_and_invalidate_late(&self) {
        *self.changes.lock().unwrap() += 1;
        self.invalidate();
    }

    fn invalidate(&self) {
        if self.denial.word::<IS_VALID>() > 0 {
            self.denial.write_word::<IS_VALID>(0);
        }
    }

    /// The changes of the budget that the cached denial is of, read without the lock.
    fn denied(&self) -> Option<u64> {
        let [changes, is_valid] = self.denial.read()?;
        (is_valid > 0).then_some(changes)
    }

    /// A reader that knows of `changes` gets no denial of an earlier budget.
    fn assert_not_outdated(&self, changes: u64) {
        if let Some(denied) = self.denied() {
            assert!(denied >= changes, "an outdated denial");
        }
    }
}

/// A budget is denied, changed and denied again. Another thread has the lock at any time, and reads
/// the cache after that.
fn a_reader_after_the_lock(change: fn(&Shard)) {
    explore(move || {
        let shard = Arc::new(Shard::default());
        let writer = {
            let shard = Arc::clone(&shard);
            thread::spawn(move || {
                shard.deny();
                change(&shard);
                shard.deny();
            })
        };
        let changes = *shard.changes.lock().unwrap();
        shard.assert_not_outdated(changes);
        writer.join().unwrap();
        assert_eq!(shard.denied(), Some(1));
    });
}

/// Two threads: one denies, one changes the budget. A third one has the lock at any time.
fn a_reader_after_one_of_two_writers(change: fn(&Shard)) {
    explore(move || {
        let shard = Arc::new(Shard::default());
        let writers = [Shard::deny, change].map(|write| {
            let shard = Arc::clone(&shard);
            thread::spawn(move || write(&shard))
        });
        let changes = *shard.changes.lock().unwrap();
        shard.assert_not_outdated(changes);
        for writer in writers {
            writer.join().unwrap();
        }
        shard.assert_not_outdated(1);
    });
}

/// A thread changes a denied budget, and says so: to the client, for instance, which sends the next
/// request. The reader has never had the lock.
fn a_reader_after_a_message(sent: Ordering, received: Ordering) {
    explore(move || {
        let shared = Arc::new((Shard::default(), AtomicBool::new(false)));
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (shard, has_changed) = &*shared;
                shard.deny();
                shard.change();
                has_changed.store(true, sent);
            })
        };
        let (shard, has_changed) = &*shared;
        let changes = u64::from(has_changed.load(received));
        shard.assert_not_outdated(changes);
        writer.join().unwrap();
    });
}

#[test]
fn a_reader_that_had_the_lock_after_a_change_gets_no_earlier_denial() {
    a_reader_after_the_lock(Shard::change);
}

#[test]
fn a_reader_among_two_writers_gets_no_earlier_denial() {
    a_reader_after_one_of_two_writers(Shard::change);
}

#[test]
fn a_reader_that_heard_of_a_change_gets_no_earlier_denial() {
    a_reader_after_a_message(Ordering::Release, Ordering::Acquire);
}

/// The message itself may be relaxed: it is between the fences of the write and of the read.
#[test]
fn a_relaxed_message_after_a_change_is_enough() {
    a_reader_after_a_message(Ordering::Relaxed, Ordering::Relaxed);
}

/// That rests on the order of the locks and of each word, not on the orderings of the seqlock.
#[test]
fn a_whole_denial_is_not_outdated_under_any_weakened_ordering() {
    for weakened in [
        Weakened::AcquireLoad,
        Weakened::AcquireFence,
        Weakened::ReleaseStore,
        Weakened::ReleaseFence,
    ] {
        let _weakened = weaken(weakened);
        explore(|| {
            let shard = Arc::new(Shard::default());
            let writer = {
                let shard = Arc::clone(&shard);
                thread::spawn(move || {
                    shard.deny();
                    shard.change();
                })
            };
            let changes = *shard.changes.lock().unwrap();
            shard.assert_not_outdated(changes);
            writer.join().unwrap();
        });
    }
}

#[test]
#[should_panic(expected = "an outdated denial")]
fn a_change_without_invalidation_is_found() {
    a_reader_after_one_of_two_writers(|shard| *shard.changes.lock().unwrap() += 1);
}

#[test]
#[should_panic(expected = "an outdated denial")]
fn an_invalidation_after_the_lock_is_found() {
    a_reader_after_the_lock(Shard::change_and_invalidate_late);
}

/// A relaxed message orders nothing by itself.
#[test]
#[should_panic(expected = "an outdated denial")]
fn a_relaxed_message_without_the_fences_is_found() {
    let _weakened = weaken(Weakened::ReleaseFence);
    a_reader_after_a_message(Ordering::Relaxed, Ordering::Relaxed);
}
