//! A digest by which logs and numbers refer to a key.

use std::fmt;

/// A digest of a key, by which logs, events and [`Stats`](super::Stats) refer to it: 16 hexadecimal
/// digits.
///
/// It is a hash under a random secret of the limiter, so a client's key cannot be guessed from it.
/// It is the same in all logs and numbers of one limiter, and another one after a restart and on
/// another machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(u64);

impl KeyDigest {
    pub(crate) const fn new(digest: u64) -> Self {
        Self(digest)
    }

    /// The digest as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
