//! From a URL to a limiter.

use super::{Limiter, LimiterBuilder};
use crate::store::ConnectError;
use std::fmt;

/// The settings of stores that are connected to by URL.
#[derive(Default)]
pub(super) struct Remote {
    prefix: Option<Box<str>>,
    secret: Option<Box<str>>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl LimiterBuilder {
    /// What all keys in a store begin with that is [connected](Self::connect) to: `limit` by default. Limiters with
    /// one prefix and one secret share their budgets.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.remote.prefix = Some(prefix.into());
        self
    }

    /// What keys are hashed with before they go to a store that is [connected](Self::connect) to, so that nobody who
    /// reads them there can confirm a guess. All machines need the same.
    pub fn secret(mut self, secret: &str) -> Self {
        self.remote.secret = Some(secret.into());
        self
    }

    /// The limiter, counting where `url` says; see [`Limiter::connect`].
    ///
    /// ```
    /// use limit_runtime::{Limiter, store::Fallback};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::ConnectError> {
    /// # let url = "memory://";
    /// let limiter = Limiter::builder()
    ///     .prefix("inference")
    ///     .on_store_error(Fallback::Deny)
    ///     .connect(url)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the URL is wrong, its feature is off, or the server refuses us or is too old.
    pub async fn connect(self, url: &str) -> Result<Limiter, ConnectError> {
        let (scheme, _) = url.split_once("://").unwrap_or(("", ""));
        match scheme.split('+').next().unwrap_or_default() {
            "memory" => Ok(self.build()),
            "redis" | "rediss" | "valkey" | "valkeys" => self.connect_redis(url, scheme).await,
            _ => Err(ConnectError::unknown(url)),
        }
    }

    #[cfg(feature = "redis")]
    async fn connect_redis(self, url: &str, _: &str) -> Result<Limiter, ConnectError> {
        let mut store = crate::store::redis::RedisStore::under(self.guard.deadline, url)?;
        if let Some(prefix) = &self.remote.prefix {
            store = store.prefix(prefix);
        }
        if let Some(secret) = &self.remote.secret {
            store = store.secret(secret);
        }
        if let Some(clock) = self.clock.as_ref().filter(|clock| clock.is_test()) {
            store = store.clock(clock.clone());
        }
        store.parley().await?;
        Ok(self.store(store).build())
    }

    #[cfg(not(feature = "redis"))]
    async fn connect_redis(self, _: &str, scheme: &str) -> Result<Limiter, ConnectError> {
        Err(ConnectError::FeatureOff {
            scheme: scheme.into(),
            feature: "redis",
        })
    }
}
