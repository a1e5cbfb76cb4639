//! Leases of permits: one item for each budget, written if it has not changed since it was read.
//!
//! The item has the id of each lease and when it expires, by the date of the machine that has taken
//! it, also under a test clock. Its name has no generation, so that a reset leaves leases alone:
//! their requests are in flight, and they expire if these are not.

use super::{
    memcached_store::{BUSY, MemcachedStore, pause},
    server::server_of,
    store_clock::StoreClock,
    transport::{CallError, Condition, Write, Written},
};
use crate::store::{
    StoreError, StoreFuture,
    error::StoreErrorKind,
    leases::{LeaseStore, Leases},
};

/// How often a write is tried, which fails if another process was faster.
const MAX_TRIES: u32 = 16;
/// An id, and the time at which it expires in microseconds since 1970.
const LEASE_BYTES: usize = 16;

/// The leases of one budget.
#[derive(Debug, Default, PartialEq, Eq)]
struct LeaseItem(Vec<(u64, u64)>);

impl LeaseItem {
    fn decode(value: &[u8]) -> Result<Self, CallError> {
        let (leases, []) = value.as_chunks::<LEASE_BYTES>() else {
            return Err(CallError::new(
                "the item with the leases of a budget has other contents",
            ));
        };
        let number = |bytes: &[u8]| {
            let bytes = bytes.first_chunk().copied().unwrap_or_default();
            u64::from_be_bytes(bytes)
        };
        let leases = leases.iter().map(|lease| {
            let (id, expires_at) = lease.split_at(LEASE_BYTES / 2);
            (number(id), number(expires_at))
        });
        Ok(Self(leases.collect()))
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(LEASE_BYTES * self.0.len());
        for (id, expires_at) in &self.0 {
            value.extend_from_slice(&id.to_be_bytes());
            value.extend_from_slice(&expires_at.to_be_bytes());
        }
        value
    }

    /// Removes these leases, and those that have expired.
    fn release(&mut self, ids: &[u64], now: u64) {
        self.0
            .retain(|(id, expires_at)| *expires_at > now && !ids.contains(id));
    }

    fn extend(&mut self, ids: &[u64], expires_at: u64) {
        self.0.retain(|(id, _)| !ids.contains(id));
        self.0.extend(ids.iter().map(|&id| (id, expires_at)));
    }
}

/// What is asked of an item.
#[derive(Clone, Copy)]
struct Change<'a> {
    /// If fewer than so many are held. `None`: in any case.
    max: Option<u64>,
    held: &'a [u64],
    released: &'a [u64],
}

impl MemcachedStore {
    /// Changes the leases of a budget. Returns whether those to hold are held.
    async fn change_leases(
        &self,
        leases: Leases<'_>,
        change: Change<'_>,
    ) -> Result<bool, StoreError> {
        let digest = self.digest(leases.scope, leases.key);
        let _turn = self.shared.lease_locks.lock(&digest).await;
        let server = server_of(&self.shared.servers, &digest)
            .ok_or_else(|| CallError::new("the store has no servers"))?;
        let name = self.shared.names.leases(&digest);
        let clock = StoreClock::Date;
        let time_to_live = u64::try_from(leases.time_to_live.as_micros()).unwrap_or(u64::MAX);
        let seconds = leases.time_to_live.as_secs() + 1 + clock.spare_seconds();
        let lifetime = u32::try_from(seconds).unwrap_or(u32::MAX);
        for tries in 1..=MAX_TRIES {
            let stored = server.transport.get(&name).await?;
            let (mut item, condition) = match &stored {
                Some(stored) => (
                    LeaseItem::decode(&stored.value)?,
                    Condition::Unchanged(stored.cas),
                ),
                None => (LeaseItem::default(), Condition::Absent),
            };
            let now = clock.now().as_micros();
            item.release(change.released, now);
            let held = u64::try_from(item.0.len()).unwrap_or(u64::MAX);
            let is_granted = change.max.is_none_or(|max| held < max);
            if is_granted {
                item.extend(change.held, now.saturating_add(time_to_live));
            } else if change.released.is_empty() {
                return Ok(false);
            }
            let write = Write {
                condition,
                lifetime,
            };
            match server.transport.set(&name, item.encode(), write).await? {
                Written::Yes(_) => return Ok(is_granted),
                Written::No => pause(tries).await,
            }
        }
        let busy = CallError::new(BUSY).with_kind(StoreErrorKind::Request(BUSY));
        Err(busy.into())
    }
}

impl LeaseStore for MemcachedStore {
    fn acquire<'a>(
        &'a self,
        leases: Leases<'a>,
        max: u64,
        released: &'a [u64],
    ) -> StoreFuture<'a, bool> {
        let change = Change {
            max: Some(max),
            held: leases.ids,
            released,
        };
        Box::pin(self.change_leases(leases, change))
    }

    fn extend<'a>(&'a self, leases: Leases<'a>) -> StoreFuture<'a, ()> {
        let change = Change {
            max: None,
            held: leases.ids,
            released: &[],
        };
        Box::pin(async move { self.change_leases(leases, change).await.map(drop) })
    }

    fn release<'a>(&'a self, leases: Leases<'a>) -> StoreFuture<'a, ()> {
        let change = Change {
            max: None,
            held: &[],
            released: leases.ids,
        };
        Box::pin(async move { self.change_leases(leases, change).await.map(drop) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_keeps_what_is_held_and_not_expired() {
        let mut item = LeaseItem::default();
        item.extend(&[1, 2], 100);
        item.extend(&[2, 3], 200);
        assert_eq!(LeaseItem::decode(&item.encode()).unwrap(), item);
        item.release(&[3], 99);
        assert_eq!(item.0, [(1, 100), (2, 200)]);
        item.release(&[], 100);
        assert_eq!(item.0, [(2, 200)]);
        assert!(LeaseItem::decode(&[0; 17]).is_err());
    }
}
