//! The atomics of the lock-free code. `tests/model` replaces them by those of a model checker.

pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
