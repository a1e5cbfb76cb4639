//! Administration of a limiter: refunds, resets, health and usage.

use super::limiter::{Backend, Limiter};
use crate::{
    decision::Receipt,
    key::IntoKey,
    store::{Charge, Health, Scope, StoreError, Usage},
};

impl Limiter {
    /// Gives back the costs of `charges`, for which a check returned `receipts`.
    ///
    /// The two slices are matched by position. To give back a part of a charge, pass the charge
    /// with a smaller cost. All refunds of a [`Receipt`] and its clones together give back at most
    /// the cost of its charge. Units that cannot be attributed to a charge with certainty are not
    /// given back; they count until their window ends. In the in-memory store, this can happen to
    /// the oldest units of a moving window with more hits than
    /// [`max_log_entries`](crate::LimiterBuilder::max_log_entries).
    ///
    /// ```
    /// use limit_runtime::{IntoKey, Limiter, limits, store::{Action, Charge, Scope}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let (limiter, limits, key) = (Limiter::new(), limits!("100/minute"), "alice".into_key());
    /// // Charge an estimate of 50 tokens. The request then uses 20, so 30 are given back.
    /// let charge = Charge::new(Scope::shared("tokens"), &key, &limits).cost(50);
    /// let decision = limiter.check_all(&[charge], Action::Consume).await?;
    /// limiter.refund(&[charge.cost(30)], decision.receipts()).await?;
    /// let now = limiter.check_all(&[charge], Action::Peek).await?;
    /// assert_eq!(now.outcomes()[0].remaining(), 80);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With a remote store that does not answer, the refund is kept and sent when it does;
    /// [`Health::late_charges`] counts those that wait.
    ///
    /// # Errors
    /// If the remote store cannot take this refund. Its units are not given back by a later call
    /// either. A [store of your own](crate::store::Store) that does not count ids once also returns
    /// an error if it did not answer, because it may have counted the refund.
    pub async fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        match &self.0.store {
            Backend::Memory(store) => store.refund(charges, receipts),
            Backend::Remote(store) => store.refund(charges, receipts).await?,
        }
        self.wait_queues().wake_first_of(charges);
        Ok(())
    }

    /// Clears the budgets of `key` in `scope`, and returns their number: one for each
    /// [strategy](crate::Strategy) that has counted something.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let limiter = Limiter::new();
    /// limiter.check(&limits!("1/minute"), "alice").scope("jobs").await?;
    /// assert_eq!(limiter.reset_key("jobs", "alice").await?, 1);
    /// assert_eq!(limiter.reset_key("jobs", "bob").await?, 0);
    /// assert!(limiter.check(&limits!("1/minute"), "alice").scope("jobs").await?.is_allowed());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the remote store does not answer. The budgets may be cleared or not.
    pub async fn reset_key<'a>(
        &self,
        scope: impl Into<Scope<'a>>,
        key: impl IntoKey,
    ) -> Result<u64, StoreError> {
        let (scope, key) = (scope.into(), key.into_key());
        let cleared = match &self.0.store {
            Backend::Memory(store) => store.reset_key(scope, &key),
            Backend::Remote(store) => store.reset_key(scope, &key).await?,
        };
        self.wait_queues().wake_first_of_all();
        Ok(cleared)
    }

    /// Clears all budgets of this limiter.
    ///
    /// With a remote store, these are the budgets of all limiters that share both the
    /// [`key_prefix`](crate::RemoteBuilder::key_prefix) and the
    /// [`key_secret`](crate::RemoteBuilder::key_secret). Other data in the store is not affected.
    /// The call has no deadline: it takes longer the more keys the store has.
    ///
    /// # Errors
    /// If the remote store does not answer. Some of the budgets may be cleared.
    pub async fn reset_all(&self) -> Result<(), StoreError> {
        match &self.0.store {
            Backend::Memory(store) => store.reset_all(),
            Backend::Remote(store) => store.reset_all().await?,
        }
        self.wait_queues().wake_first_of_all();
        Ok(())
    }

    /// The name under which a remote store keeps the budgets of `key` in `scope`, to inspect them
    /// there. In Redis, it is the prefix of their keys. Returns `None` for a limiter in memory.
    pub fn describe_key<'a>(
        &self,
        scope: impl Into<Scope<'a>>,
        key: impl IntoKey,
    ) -> Option<String> {
        match &self.0.store {
            Backend::Memory(_) => None,
            Backend::Remote(store) => store.describe_key(scope.into(), &key.into_key()),
        }
    }

    /// Whether the store answers, and how many calls succeeded and failed.
    ///
    /// ```
    /// use limit_runtime::{Limiter, store::StoreHealth};
    ///
    /// assert_eq!(Limiter::new().health().store, StoreHealth::Memory);
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0.store {
            Backend::Memory(_) => Health::of_memory(),
            Backend::Remote(store) => store.health(),
        }
    }

    /// The keys and bytes that a limiter holds in memory, and how often there was no room. Returns
    /// `None` for a remote store.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let limiter = Limiter::builder().max_keys(100_000).build();
    /// limiter.check(&limits!("2/minute"), "alice").await?;
    /// assert_eq!(limiter.usage().map(|usage| usage.keys), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match &self.0.store {
            Backend::Memory(store) => Some(Usage {
                permits: self.permits().in_flight(),
                ..store.usage()
            }),
            Backend::Remote(_) => None,
        }
    }
}
