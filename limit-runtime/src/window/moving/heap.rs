//! The memory that the logs and tables of a store take.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes against a maximum. Threads that take memory at one time may exceed it by what each
/// of them takes.
#[derive(Debug)]
pub(crate) struct HeapBudget {
    used: AtomicUsize,
    max: usize,
}

impl HeapBudget {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            max,
        }
    }

    /// The bytes that are taken.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The bytes that are left.
    pub(crate) fn room(&self) -> usize {
        self.max.saturating_sub(self.used())
    }

    /// Whether more is taken than the maximum.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.max
    }

    pub(crate) fn take(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn release(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}
