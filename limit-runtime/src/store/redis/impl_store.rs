//! `RedisStore` as a `Store`: chooses between one call and the way of clusters.

use super::redis_store::RedisStore;
use crate::{
    decision::{Decision, Receipt},
    key::Key,
    store::{Action, Charge, LeaseStore, Scope, Store, StoreFuture},
};

impl Store for RedisStore {
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision> {
        if self.connection.is_one_server() {
            Box::pin(self.check_in_one_call(charges, action))
        } else {
            Box::pin(self.check_in_cluster(charges, action))
        }
    }

    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.refund_each(charges, receipts))
    }

    /// Clears the budgets of `key` in `scope`, also those of windows that only other processes have
    /// checked.
    ///
    /// Returns the number of strategies that had a budget.
    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(self.delete_budgets(scope, key))
    }

    /// Deletes the budgets of all limiters with this prefix and secret, in small steps, and nothing
    /// else. In a cluster, on each of its masters.
    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.delete_all_budgets())
    }

    /// The beginning of the names of these budgets in Redis, such as `limit:{5e0f…}`.
    fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        Some(self.key_names.budget_prefix(scope, key))
    }

    fn leases(&self) -> Option<&dyn LeaseStore> {
        Some(self)
    }

    fn name(&self) -> &'static str {
        "redis"
    }

    fn epoch(&self) -> u64 {
        self.connection.epoch()
    }

    fn counts_ids_once(&self) -> bool {
        true
    }

    fn denials_last(&self) -> bool {
        true
    }
}
