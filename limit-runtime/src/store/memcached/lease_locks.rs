//! Locks of the items with leases.

use crate::store::key_digest::Digest;
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};
use tokio::sync::{Mutex, MutexGuard};

const SHARDS: usize = 256;

/// One task of this process at a time changes an item, so that they do not write in vain. Several
/// items may have one lock.
pub(super) struct LeaseLocks {
    shards: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Default for LeaseLocks {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl LeaseLocks {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a few of the 64 bits are wanted"
    )]
    pub(super) async fn lock(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        let index = self.hasher.hash_one(digest) as usize % SHARDS;
        self.shards[index].lock().await
    }
}

impl fmt::Debug for LeaseLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseLocks").finish_non_exhaustive()
    }
}
