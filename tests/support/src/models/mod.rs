//! Models that count by brute force. They are too simple to be wrong: tests compare every answer of
//! a store with theirs.

pub mod log;
#[cfg(feature = "runtime")]
pub mod strategies;
