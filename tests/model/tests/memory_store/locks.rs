//! Threads that lock several shards at once.

use crate::{explore, lock_order::lock_in_order};
use loom::{
    sync::{Mutex, MutexGuard},
    thread,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// Shards with a count each.
type Shards = [Mutex<u64>; 3];
type Locked<'a> = SmallVec<[(usize, MutexGuard<'a, u64>); 2]>;

fn in_order(shards: &Shards, indices: [usize; 2]) -> Locked<'_> {
    lock_in_order(indices.into_iter(), |index| shards[index].lock().unwrap())
}

fn as_given(shards: &Shards, indices: [usize; 2]) -> Locked<'_> {
    let lock = |index: usize| (index, shards[index].lock().unwrap());
    indices.into_iter().map(lock).collect()
}

/// One thread for each pair locks both shards and counts in both.
fn count_in<const N: usize>(pairs: [[usize; 2]; N], lock: fn(&Shards, [usize; 2]) -> Locked<'_>) {
    explore(move || {
        let shards = Arc::new(Shards::default());
        let threads = pairs.map(|pair| {
            let shards = Arc::clone(&shards);
            thread::spawn(move || {
                let mut locked = lock(&shards, pair);
                let before = locked.iter().map(|(_, count)| **count);
                let before: SmallVec<[u64; 2]> = before.collect();
                thread::yield_now();
                for ((_, count), before) in locked.iter_mut().zip(before) {
                    assert_eq!(**count, before, "another thread has this lock, too");
                    **count += 1;
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        for (index, shard) in shards.iter().enumerate() {
            let locked = pairs.iter().filter(|pair| pair.contains(&index)).count();
            assert_eq!(*shard.lock().unwrap(), locked as u64);
        }
    });
}

#[test]
fn two_threads_with_opposite_orders_do_not_wait_for_each_other() {
    count_in([[0, 1], [1, 0]], in_order);
}

#[test]
fn three_threads_in_a_circle_do_not_wait_for_each_other() {
    count_in([[0, 1], [1, 2], [2, 0]], in_order);
}

#[test]
fn an_index_that_is_given_twice_is_locked_once() {
    count_in([[1, 1], [1, 0]], in_order);
}

#[test]
#[should_panic(expected = "deadlock")]
fn opposite_orders_as_given_are_found() {
    count_in([[0, 1], [1, 0]], as_given);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_circle_as_given_is_found() {
    count_in([[0, 1], [1, 2], [2, 0]], as_given);
}
