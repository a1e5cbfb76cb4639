//! The concurrent parts of the in-memory store, compiled with the atomics and locks of `loom`. It
//! runs a test in each order of its threads, and with each value that a load may give.
//!
//! What is modelled: the files that are included here by their path. The code that uses them is
//! not; the tests repeat the order in which it locks, invalidates and releases.
//!
//! Limits of the model: threads are preempted at most [`PREEMPTIONS`] times in each run. A load may
//! give any earlier store that it is not ordered after, but never a store that runs later, which is
//! possible where a CPU or a compiler delays a load. The threads share by an `Arc` of the standard
//! library, which is not part of the model: then there are fewer runs.
//!
//! Each rule has a test of a program that breaks it, which shows that the model can fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod atomics;
mod invalidation;
#[path = "../../../../limit-runtime/src/store/memory/lock_order.rs"]
mod lock_order;
mod locks;
mod reads;
#[path = "../../../../limit-runtime/src/store/memory/seqlock.rs"]
mod seqlock;

/// How often a run takes the CPU from a thread that could go on. Each fault of the tests is found
/// with one or two.
const PREEMPTIONS: usize = 3;

/// Runs `program` in each order of its threads.
fn explore(program: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(program);
}
