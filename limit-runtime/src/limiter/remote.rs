//! Connects a limiter to a remote store.

use super::{builder::LimiterBuilder, limiter::Limiter};
use crate::{
    diagnostics::{self, Misconfiguration},
    store::{ConnectError, Fallback, connect, connect::is_prefix},
};
use std::{fmt, time::Duration};

#[cfg(any(feature = "memcached", feature = "redis"))]
use crate::store::{CustomStore, resilience::Settings};

/// Builds the limiter of a [`RemoteBuilder`] that counts in this type of store. Returns an error
/// if its feature is not enabled.
macro_rules! connect_to {
    ($remote:expr, $feature:literal, $store:path) => {{
        #[cfg(feature = $feature)]
        {
            use $store as RemoteStore;
            let settings = $remote.guard_settings();
            let mut store = RemoteStore::with_deadline(settings.deadline, &$remote.url)?;
            if let Some(prefix) = &$remote.key_prefix {
                store = store.key_prefix(prefix);
            }
            if let Some(secret) = &$remote.key_secret {
                store = store.key_secret(secret);
            }
            let clock = $remote.builder.clock.as_ref();
            if let Some(clock) = clock.filter(|clock| clock.is_test()) {
                store = store.clock(clock.clone());
            }
            store.handshake().await?;
            let store = CustomStore::with_settings(store, settings);
            Ok($remote.builder.store(store).build())
        }
        #[cfg(not(feature = $feature))]
        {
            Err(ConnectError::FeatureOff {
                scheme: connect::scheme(&$remote.url).into(),
                feature: $feature,
            })
        }
    }};
}

impl Limiter {
    /// A limiter that counts in the store at `url`, with the default settings.
    ///
    /// All machines that connect to one store share its budgets. For other settings, see
    /// [`LimiterBuilder::remote`].
    ///
    /// | URL | store | feature |
    /// |---|---|---|
    /// | `memory://` | this process's memory | |
    /// | `redis://user:password@host:6379/0` | Redis or Valkey | `redis` |
    /// | `redis+unix:///run/redis.sock?db=0` | Redis over a Unix socket | `redis` |
    /// | `rediss://host:6380` | Redis over TLS | `redis-tls` |
    /// | `redis+cluster://host1,host2` | Redis Cluster | `redis-cluster` |
    /// | `redis+sentinel://host1,host2/master/0` | the master that Sentinel reports | `redis-sentinel` |
    /// | `memcached://host1:11211,host2` | one or several memcached servers | `memcached` |
    ///
    /// A scheme may begin with `valkey` instead of `redis`. A scheme that begins with `rediss`,
    /// such as `rediss+cluster`, uses TLS.
    ///
    /// These parameters can follow the URL, as in `?protocol=2&tls-ca=/path/ca.pem`. In a value, in
    /// a user and in a password, write `%40` for `@`, and so on: they are percent-decoded.
    ///
    /// | parameter | meaning |
    /// |---|---|
    /// | `protocol` | `3` (the default), or `2` for proxies that support only RESP2 |
    /// | `tls-ca` | a PEM file with certificate authorities; otherwise those of the system |
    /// | `tls-cert`, `tls-key` | PEM files with the client's certificate and key, for mutual TLS |
    /// | `db`, `user`, `pass` | of a server behind a Unix socket |
    /// | `sentinel-user`, `sentinel-password` | of the Sentinels; those before the hosts are the master's |
    /// | `sentinel-tls` | `true` or `false`, if Sentinels and master differ in it |
    ///
    /// A store that does not answer is not an error: the limiter starts without it, logs that once,
    /// and uses the store as soon as it answers. Until then, its [`Fallback`] decides about
    /// requests.
    ///
    /// ```no_run
    /// use limit_runtime::Limiter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::connect("redis://cache:6379").await?;
    /// limiter.install()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the URL is invalid, its feature is not enabled, or the server rejects the connection or
    /// is too old.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder().remote(url).connect().await
    }
}

impl LimiterBuilder {
    /// Counts in the remote store at `url`. Returns a builder with the settings of that store.
    ///
    /// [`Limiter::connect`] lists the URLs. The settings made so far are kept, but a
    /// [`store`](Self::store) of your own is replaced.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::ConnectError> {
    /// # let url = "memory://";
    /// let limiter = Limiter::builder().max_waiting(16).remote(url).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn remote(self, url: &str) -> RemoteBuilder {
        RemoteBuilder::new(self, url)
    }
}

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
    fn new(builder: LimiterBuilder, url: &str) -> Self {
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
    /// Limiters share their budgets if their prefixes and their [secrets](Self::key_secret) are
    /// equal. Give each application that uses the store a prefix of its own.
    ///
    /// The prefix has at least one character, and neither `{` and `}`, by which Redis Cluster
    /// places keys, nor control characters. Otherwise [`connect`](Self::connect) returns an error.
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.key_prefix = Some(prefix.into());
        self
    }

    /// The secret for the hash of each key. Default: a constant that is public.
    ///
    /// Keys, such as client addresses, are never sent to the store as they are, only as a keyed
    /// hash. Without a secret, a person with access to the store can hash a guessed key and look
    /// for it. All machines that share budgets need equal secrets.
    pub fn key_secret(mut self, secret: &str) -> Self {
        self.key_secret = Some(secret.into());
        self
    }

    /// The maximum time that a check waits for the store. Default: 50 ms.
    ///
    /// After that time, the [`fallback`](Self::fallback) decides about the request.
    pub fn store_deadline(mut self, deadline: Duration) -> Self {
        self.store_deadline = Some(deadline);
        self
    }

    /// What to do with requests while the store does not answer. Default: [`Fallback::Local`].
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Connects to the store, and builds the limiter. [`Limiter::connect`] lists the URLs.
    ///
    /// With `memory://`, the settings of this builder have no effect, and a warning in the log
    /// names those that were made: `LIMIT013` of [`diagnostics`].
    ///
    /// # Errors
    /// If the URL or the prefix is invalid, the feature of the URL is not enabled, or the server
    /// rejects the connection or is too old. A server that does not answer is not an error: see
    /// [`Limiter::connect`].
    pub async fn connect(self) -> Result<Limiter, ConnectError> {
        if connect::is_memory(&self.url) {
            self.warn_of_unused_settings();
            return Ok(self.builder.build());
        }
        if let Some(prefix) = self.key_prefix.as_ref().filter(|name| !is_prefix(name)) {
            return Err(ConnectError::KeyPrefix {
                found: prefix.clone(),
            });
        }
        match connect::scheme(&self.url).split('+').next() {
            Some("redis" | "rediss" | "valkey" | "valkeys") => {
                connect_to!(self, "redis", crate::store::redis::RedisStore)
            }
            Some("memcached") => {
                connect_to!(self, "memcached", crate::store::memcached::MemcachedStore)
            }
            _ => Err(ConnectError::unknown(&self.url)),
        }
    }

    #[cfg(any(feature = "memcached", feature = "redis"))]
    fn guard_settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            fallback: self.fallback.unwrap_or(default.fallback),
            deadline: self.store_deadline.unwrap_or(default.deadline),
        }
    }

    fn warn_of_unused_settings(&self) {
        let settings = [
            ("key_prefix", self.key_prefix.is_some()),
            ("key_secret", self.key_secret.is_some()),
            ("store_deadline", self.store_deadline.is_some()),
            ("fallback", self.fallback.is_some()),
        ];
        warn_of_unused_settings(
            settings
                .into_iter()
                .filter_map(|(name, is_set)| is_set.then_some(name)),
        );
    }
}

/// Logs a warning that these settings of a remote store have no effect in memory. Without names,
/// there is nothing to log.
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
    /// Leaves out the URL, which may contain a password, and the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteBuilder")
            .field("builder", &self.builder)
            .field("key_prefix", &self.key_prefix)
            .field("store_deadline", &self.store_deadline)
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}
