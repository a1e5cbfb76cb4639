//! `MemcachedStore` as a `Store`.

use super::memcached_store::MemcachedStore;
use crate::{
    decision::{Decision, Receipt},
    key::Key,
    store::{Action, Charge, LeaseStore, Scope, Store, StoreError, StoreFuture},
};

impl Store for MemcachedStore {
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision> {
        Box::pin(self.check_keys(charges, action))
    }

    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.refund_keys(charges, receipts))
    }

    /// Clears the budgets of `key` in `scope`. Returns the number of strategies that had one.
    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(self.clear(self.digest(scope, key)))
    }

    /// Begins a new generation on each server. Other processes see it within a second.
    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let name = self.shared.names.generation();
            let mut result = Ok(());
            for server in &self.shared.servers {
                let advanced = server.generation.advance(&*server.transport, &name).await;
                // The others are reset all the same.
                if let Err(error) = advanced {
                    result = Err(StoreError::from(error));
                }
            }
            result
        })
    }

    /// The name of the item of these budgets, such as `limit:1f:5e0f…`. Before the first check, the
    /// second part is `*`, because it is read from the server.
    fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        Some(self.item_name(&self.digest(scope, key)))
    }

    fn leases(&self) -> Option<&dyn LeaseStore> {
        Some(self)
    }

    fn name(&self) -> &'static str {
        "memcached"
    }

    fn epoch(&self) -> u64 {
        self.shared.epoch.get()
    }

    fn counts_ids_once(&self) -> bool {
        true
    }

    fn denials_last(&self) -> bool {
        true
    }
}
