//! A sequence lock: a few words that are read without a lock and never seen half written.
//!
//! A version counts the beginnings and ends of writes, so that it is odd during a write. A reader
//! copies the words between two loads of the version, and discards them if the version was odd or
//! has changed. Writers are serialized by a lock of the caller. All words are atomic, so a read
//! during a write is no data race.
//!
//! # Orderings
//!
//! The words themselves are loaded and stored relaxed. Two pairs order them against the version:
//!
//! - The release store at the end of a write, and the acquire load at the beginning of a read. A
//!   reader that loads an even version sees all words of that write, or newer ones.
//! - The release fence after the beginning of a write, and the acquire fence after the words are
//!   read. A reader that has loaded a word of a newer write sees at least the odd version of that
//!   write in its second load, and discards what it read. A release *store* of the odd version
//!   would not do: it orders what is before it, and the words are stored after it. For the same
//!   reason an acquire *load* as the second load would not do.
//!
//! The second load of the version is relaxed, because the fence before it orders it. A writer loads
//! and begins the version relaxed: only writers store it, and the lock orders them.
//!
//! A write that happened before a read, for instance because the reader has since had the lock that
//! the writer held, is never missed: the first load of the version gives that of this write or of a
//! later one, and so does each word. For that the order of all stores to one atomic is enough.

use super::atomics::{AtomicU64, Ordering, fence};
use std::array;

/// Words that are read without a lock, and written while the caller holds its lock.
#[derive(Debug)]
pub(super) struct SeqLock<const N: usize> {
    version: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Default for SeqLock<N> {
    /// All words are 0.
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            words: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl<const N: usize> SeqLock<N> {
    /// All words as one write left them. `None` if one was in progress.
    #[inline(always)]
    pub(super) fn read(&self) -> Option<[u64; N]> {
        let version = self.version.load(Ordering::Acquire);
        let words = array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        is_whole.then_some(words)
    }

    /// One word, without a check of the version. It is exact while the caller holds the lock.
    /// Otherwise it is a hint: a cheap look that tells whether a [`read`](Self::read) can be worth
    /// it.
    #[inline(always)]
    pub(super) fn word<const INDEX: usize>(&self) -> u64 {
        const { assert!(INDEX < N) };
        self.words[INDEX].load(Ordering::Relaxed)
    }

    /// Replaces all words. The caller holds the lock that serializes writers.
    #[inline]
    pub(super) fn write(&self, words: [u64; N]) {
        self.write_with(|all| {
            for (word, value) in all.iter().zip(words) {
                word.store(value, Ordering::Relaxed);
            }
        });
    }

    /// Replaces one word. The caller holds the lock that serializes writers.
    #[inline]
    pub(super) fn write_word<const INDEX: usize>(&self, value: u64) {
        const { assert!(INDEX < N) };
        self.write_with(|all| all[INDEX].store(value, Ordering::Relaxed));
    }

    #[inline(always)]
    fn write_with(&self, store: impl FnOnce(&[AtomicU64; N])) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        store(&self.words);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }
}
