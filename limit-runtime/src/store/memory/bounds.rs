//! Memory limits of a store, and what it uses.

use super::shared_budgets::WhenFull;

/// Memory limits of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The maximum number of budgets.
    pub(crate) max_keys: usize,
    /// The maximum size of tables and logs.
    pub(crate) max_bytes: usize,
    /// The number of log entries for each window up to which it is exact.
    pub(crate) log_entries: u32,
    pub(crate) when_full: WhenFull,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_keys: 1_000_000,
            max_bytes: usize::MAX,
            log_entries: 1_024,
            when_full: WhenFull::default(),
        }
    }
}

/// Memory usage of a limiter, from [`Limiter::usage`](crate::Limiter::usage).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The number of budgets in memory, including expired ones that have not been removed yet.
    pub keys: usize,
    /// The bytes that their tables and logs take.
    pub bytes: usize,
    /// The number of keys that were forgotten although they counted, to make room for new ones.
    pub evicted: u64,
    /// The number of checks of new keys that used a shared budget, because there was no room.
    pub shared: u64,
    /// The number of permits that requests hold under concurrency limits.
    pub permits: u64,
}
