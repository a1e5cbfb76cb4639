//! Builds a limiter that counts in a remote store.

use super::{Limiter, LimiterBuilder};
use crate::{
    diagnostics::{self, Misconfiguration},
    store::{ConnectError, Fallback, connect},
};
use std::{fmt, time::Duration};

#[cfg(feature = "redis")]
use crate::store::{CustomStore, guard::Settings, redis::RedisStore};

/// Settings of a limiter that counts in a remote store, from [`LimiterBuilder::remote`].
///
/// ```
/// use limit_runtime::{HeaderStyle, Limiter, store::Fallback};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), limit_runtime::store::ConnectError> {
/// # let url = "memory://";
/// let limiter = Limiter::builder()
///     .header_style(HeaderStyle::Off)
///     .remote(url)
///     .key_prefix("inference")
///     .store_deadline(Duration::from_millis(20))
///     .fallback(Fallback::Deny)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "call `.connect().await`"]
pub struct RemoteBuilder {
    builder: LimiterBuilder,
    url: Box<str>,
    key_prefix: Option<Box<str>>,
    key_secret: Option<Box<str>>,
    store_deadline: Option<Duration>,
    fallback: Option<Fallback>,
}

impl RemoteBuilder {
    pub(super) fn new(builder: LimiterBuilder, url: &str) -> Self {
        Self {
            builder,
            url: url.into(),
            key_prefix: None,
            key_secret: None,
            store_deadline: None,
            fallback: None,
        }
    }

    /// The prefix of all keys in the store. Default: `limit`.
    ///
    /// Limiters with equal prefixes and equal secrets share their budgets.
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.key_prefix = Some(prefix.into());
        self
    }

    /// The secret that keys are hashed with before they are sent to the store. All machines need
    /// the same secret. Default: a fixed text.
    ///
    /// With a secret, access to the store is not enough to confirm a guessed key.
    pub fn key_secret(mut self, secret: &str) -> Self {
        self.key_secret = Some(secret.into());
        self
    }

    /// The maximum time that a request waits for the store. Default: 50 ms.
    pub fn store_deadline(mut self, deadline: Duration) -> Self {
        self.store_deadline = Some(deadline);
        self
    }

    /// What happens to requests while the store does not answer. Default: [`Fallback::Local`].
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Connects to the store. See [`Limiter::connect`] for the URLs.
    ///
    /// With `memory://`, the settings of remote stores have no effect. A warning in the log names
    /// those that were made; see `LIMIT013` of [`setup`](crate::setup).
    ///
    /// # Errors
    /// If the URL is wrong, its feature is off, or the server rejects the connection or is too old.
    pub async fn connect(self) -> Result<Limiter, ConnectError> {
        if connect::is_memory(&self.url) {
            self.warn_of_unused_settings();
            return Ok(self.builder.build());
        }
        match connect::scheme(&self.url).split('+').next() {
            Some("redis" | "rediss" | "valkey" | "valkeys") => self.connect_redis().await,
            _ => Err(ConnectError::unknown(&self.url)),
        }
    }

    #[cfg(feature = "redis")]
    async fn connect_redis(self) -> Result<Limiter, ConnectError> {
        let settings = self.guard_settings();
        let mut store = RedisStore::under(settings.deadline, &self.url)?;
        if let Some(prefix) = &self.key_prefix {
            store = store.key_prefix(prefix);
        }
        if let Some(secret) = &self.key_secret {
            store = store.key_secret(secret);
        }
        let clock = self.builder.clock.as_ref();
        if let Some(clock) = clock.filter(|clock| clock.is_test()) {
            store = store.clock(clock.clone());
        }
        store.parley().await?;
        let store = CustomStore::with_settings(store, settings);
        Ok(self.builder.store(store).build())
    }

    #[cfg(not(feature = "redis"))]
    async fn connect_redis(self) -> Result<Limiter, ConnectError> {
        Err(ConnectError::FeatureOff {
            scheme: connect::scheme(&self.url).into(),
            feature: "redis",
        })
    }

    #[cfg(feature = "redis")]
    fn guard_settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            fallback: self.fallback.unwrap_or(default.fallback),
            deadline: self.store_deadline.unwrap_or(default.deadline),
        }
    }

    fn warn_of_unused_settings(&self) {
        let made = [
            ("key_prefix", self.key_prefix.is_some()),
            ("key_secret", self.key_secret.is_some()),
            ("store_deadline", self.store_deadline.is_some()),
            ("fallback", self.fallback.is_some()),
        ];
        warn_of_unused_settings(
            made.into_iter()
                .filter_map(|(name, made)| made.then_some(name)),
        );
    }
}

/// Logs a warning that these settings of a remote store have no effect in memory, if there are any.
pub(super) fn warn_of_unused_settings<'a>(names: impl Iterator<Item = &'a str>) {
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        let found = names.join(", ");
        diagnostics::warn_once_with(
            Misconfiguration::UnusedStoreSettings,
            format_args!("{found}"),
        );
    }
}

impl fmt::Debug for RemoteBuilder {
    /// Without the URL and the secret: both may hold what no log should show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteBuilder")
            .field("builder", &self.builder)
            .field("key_prefix", &self.key_prefix)
            .field("store_deadline", &self.store_deadline)
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}
