//! Leases of permits: one sorted set for each budget, changed by one script.
//!
//! All times are the server's, also under a test clock. So each call concerns one key, and needs
//! nothing else in a cluster.

use super::{
    key_names,
    redis_store::RedisStore,
    script::{LEASES, Script},
    server_error::store_error,
};
use crate::store::{
    StoreError, StoreFuture,
    leases::{LeaseStore, Leases},
};
use redis::FromRedisValue;

/// What the script does, as it is packed.
#[derive(Clone, Copy)]
enum Action {
    /// If fewer than so many are held.
    Acquire {
        max: u64,
    },
    Change,
}

impl RedisStore {
    /// Takes or extends the leases, releases the others, and returns whether the leases are held.
    async fn run_on_leases(
        &self,
        leases: Leases<'_>,
        action: Action,
        released: &[u64],
    ) -> Result<bool, StoreError> {
        let prefix = self.key_names.budget_prefix(leases.scope, leases.key);
        let key = key_names::leases_key(&prefix);
        let script: &Script = &LEASES;
        let keys = [key.as_str()].into_iter();
        let packed = packed(leases, action, released);
        let reply = self.run_script(script, keys, &packed).await;
        let reply = i64::from_redis_value(reply.map_err(store_error)?).map_err(|_| {
            StoreError::new("unexpected reply of Redis to a script: expected a number")
        })?;
        Ok(reply == 1)
    }
}

/// Packed as `lua/leases.lua` states.
fn packed(leases: Leases<'_>, action: Action, released: &[u64]) -> Vec<u8> {
    let (number, max) = match action {
        Action::Acquire { max } => (0, max),
        Action::Change => (1, 0),
    };
    let millis = u64::try_from(leases.time_to_live.as_millis()).unwrap_or(u64::MAX);
    let ids = [leases.ids, released];
    let mut packed = Vec::with_capacity(25 + 8 * (leases.ids.len() + released.len()));
    packed.push(number);
    packed.extend_from_slice(&max.to_be_bytes());
    packed.extend_from_slice(&millis.to_be_bytes());
    for ids in ids {
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        packed.extend_from_slice(&count.to_be_bytes());
    }
    for id in ids.into_iter().flatten() {
        packed.extend_from_slice(&id.to_be_bytes());
    }
    packed
}

impl LeaseStore for RedisStore {
    fn acquire<'a>(
        &'a self,
        leases: Leases<'a>,
        max: u64,
        released: &'a [u64],
    ) -> StoreFuture<'a, bool> {
        Box::pin(self.run_on_leases(leases, Action::Acquire { max }, released))
    }

    fn extend<'a>(&'a self, leases: Leases<'a>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let extended = self.run_on_leases(leases, Action::Change, &[]);
            extended.await.map(drop)
        })
    }

    fn release<'a>(&'a self, leases: Leases<'a>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let none = Leases { ids: &[], ..leases };
            let released = self.run_on_leases(none, Action::Change, leases.ids);
            released.await.map(drop)
        })
    }
}
