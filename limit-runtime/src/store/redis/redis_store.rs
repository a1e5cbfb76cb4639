//! The type `RedisStore`, its settings, and the calls that one server can answer.

use super::{
    batch::Batcher,
    connection::Connection,
    connector::{Connector, Timeouts},
    key_names::{self, KeyNames},
    known_windows::{self, KnownWindows},
    request::{self, CheckRequest},
    script::{Script, ScriptClock, Scripts},
    server_error::store_error,
    url::Target,
};
use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    key::{IntoKey, Key},
    store::{
        Action, Charge, ConnectError, Scope, StoreError,
        connect::{PREFIXES, is_prefix},
        resilience::DEADLINE,
    },
    window::Strategy,
};
#[cfg(feature = "redis-cluster")]
use redis::cluster::ClusterClient;
use redis::{Cmd, FromRedisValue, RedisError, Value, aio::ConnectionLike};
use std::{fmt, sync::Arc, time::Duration};

/// The scope of the key that the handshake writes to.
const PROBE_SCOPE: Scope<'static> = Scope::shared("limit-runtime: handshake");

const DEFAULT_KEY_PREFIX: &str = "limit";

/// A [`Store`](crate::store::Store) that counts in Redis (6.2 or later) or Valkey.
///
/// Most programs need only [`Limiter::connect`](crate::Limiter::connect), which also checks that
/// the server is suitable. Use this type to share a connection with the rest of the program:
///
/// ```no_run
/// use limit_runtime::{Limiter, store::redis::{RedisStore, redis}};
/// use redis::aio::{ConnectionManager, ConnectionManagerConfig};
/// use std::time::Duration;
///
/// # async fn example() -> redis::RedisResult<()> {
/// let client = redis::Client::open("redis://cache:6379")?;
/// // It reconnects by itself. It needs the feature `connection-manager` of the `redis` crate.
/// let config = ConnectionManagerConfig::new()
///     .set_response_timeout(Some(Duration::from_secs(2)))
///     .set_connection_timeout(Some(Duration::from_secs(1)))
///     .set_max_delay(Duration::from_millis(500));
/// let connection = ConnectionManager::new_with_config(client, config).await?;
/// let store = RedisStore::from_redis_connection(connection).key_prefix("inference");
/// let limiter = Limiter::builder().store(store).build();
/// # Ok(())
/// # }
/// ```
///
/// The limiter applies its deadline (50 ms by default) and its fallback around this store. To
/// change them, wrap the store in a [`CustomStore`](crate::store::CustomStore).
pub struct RedisStore {
    pub(super) key_names: KeyNames,
    pub(super) connection: Connection,
    scripts: Arc<Scripts>,
    batcher: Arc<Batcher>,
    known_windows: KnownWindows,
    /// For the administration of each node of a cluster.
    #[cfg(feature = "redis-cluster")]
    pub(super) cluster: Option<ClusterClient>,
}

impl RedisStore {
    /// Creates a store from a URL, without connecting. The first check opens the connection.
    ///
    /// The URL is one of those that [`Limiter::connect`](crate::Limiter::connect) lists, but not
    /// `memory://`. The connection waits at most 2 s for each reply, also after the limiter's
    /// deadline: a late answer shows what was counted. For a deadline above 2 s, use
    /// [`LimiterBuilder::remote`](crate::LimiterBuilder::remote), which adapts both.
    ///
    /// ```no_run
    /// use limit_runtime::{Limiter, store::redis::RedisStore};
    ///
    /// # fn example() -> Result<(), limit_runtime::store::ConnectError> {
    /// let store = RedisStore::new("redis://cache:6379/0")?;
    /// let limiter = Limiter::builder().store(store).build();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the URL is invalid, or needs a feature of this crate that is not enabled.
    pub fn new(url: &str) -> Result<Self, ConnectError> {
        Self::with_deadline(DEADLINE, url)
    }

    /// Like [`new`](Self::new), with time-outs of the connection that fit into `deadline`.
    pub(crate) fn with_deadline(deadline: Duration, url: &str) -> Result<Self, ConnectError> {
        let timeouts = Timeouts::within(deadline);
        let connector = Connector::new(Target::parse(url)?, timeouts)?;
        Ok(Self::from_connector(connector))
    }

    /// Creates a store from a connection of the `redis` crate to one server.
    ///
    /// Use a connection that reconnects by itself, such as a `ConnectionManager`, as in the example
    /// [above](Self): this store cannot reopen it. With a `MultiplexedConnection`, which does not
    /// reconnect, all checks use the fallback from the first restart of the server on, until the
    /// program restarts. Set the response time-out below the limiter's deadline (50 ms by default).
    ///
    /// A cluster connection is not supported: pass a `redis+cluster://` URL to
    /// [`new`](Self::new) instead.
    ///
    /// The trait `ConnectionLike` is that of the `redis` crate, version 1, which this module
    /// [re-exports](mod@super::redis). A new major version of that crate needs a new major version
    /// of this one.
    pub fn from_redis_connection(
        connection: impl ConnectionLike + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::from_connector(Connector::External(Arc::new(connection)))
    }

    fn from_connector(connector: Connector) -> Self {
        #[cfg(feature = "redis-cluster")]
        let cluster = connector.cluster_client();
        let connection = Connection::new(connector);
        let scripts = Scripts::new(ScriptClock::Server);
        Self {
            key_names: KeyNames::new(DEFAULT_KEY_PREFIX, None),
            batcher: Batcher::new(connection.clone(), scripts.clone(), None),
            connection,
            scripts,
            known_windows: KnownWindows::default(),
            #[cfg(feature = "redis-cluster")]
            cluster,
        }
        .with_probe_key()
    }

    /// Names the key that the handshake writes to as the keys of budgets are named.
    fn with_probe_key(self) -> Self {
        let prefix = self.key_names.budget_prefix(PROBE_SCOPE, &().into_key());
        let key = key_names::redis_key(&prefix, Strategy::FixedWindow, 1_000);
        self.connection.set_probe_key(key);
        self
    }

    /// The prefix of all keys in Redis. Default: `limit`.
    ///
    /// Limiters share their budgets if their prefixes and their [secrets](Self::key_secret) are
    /// equal. Give each application that uses the server a prefix of its own.
    ///
    /// Braces, by which Redis Cluster places keys, and control characters are replaced by `_`, and
    /// an empty prefix by the default, with a warning in the log.
    /// [`RemoteBuilder::key_prefix`](crate::RemoteBuilder::key_prefix) makes them an error.
    #[must_use]
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        if is_prefix(prefix) {
            self.key_names.set_prefix(prefix);
            return self.with_probe_key();
        }
        let used = if prefix.is_empty() {
            DEFAULT_KEY_PREFIX.to_owned()
        } else {
            prefix.replace(|c: char| !is_prefix(c.encode_utf8(&mut [0; 4])), "_")
        };
        tracing::warn!(
            prefix = %prefix.escape_debug(),
            used,
            "the prefix of keys is not allowed, and another one is used; allowed: {PREFIXES}"
        );
        self.key_names.set_prefix(&used);
        self.with_probe_key()
    }

    /// The secret for the hash in key names. Default: a constant that is public.
    ///
    /// The names of keys in Redis contain a keyed hash of the client's key, never the key itself.
    /// Without a secret, a person with access to Redis can hash a guessed key and look for it. All
    /// machines that share budgets need equal secrets.
    #[must_use]
    pub fn key_secret(mut self, secret: &str) -> Self {
        self.key_names.set_secret(secret);
        self.with_probe_key()
    }

    /// Uses this clock instead of the server's. For tests with a
    /// [`TestClock`](crate::clock::TestClock).
    ///
    /// All limiters that share the store must use one clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        let clock = clock.into();
        self.scripts = Scripts::new(ScriptClock::Argument);
        self.batcher = Batcher::new(self.connection.clone(), self.scripts.clone(), Some(clock));
        self
    }

    /// Checks `charges` in one script call. In a cluster, their scope and key must be equal.
    pub(super) async fn check_in_one_call(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        let request = CheckRequest::new(&self.key_names, charges, action);
        let announcement =
            self.known_windows
                .announce(charges, action, &self.connection, &self.key_names);
        let result = self.batcher.run(request).await;
        if let Some(announcement) = announcement {
            announcement.wait().await;
        }
        let answer = result.map_err(store_error)?;
        request::parse_decision(charges, &answer)
    }

    pub(super) async fn refund_each(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        // One call for each charge, because in a cluster their keys may be on different servers.
        for (charge, receipt) in charges.iter().zip(receipts) {
            let (keys, packed) = request::refund_arguments(&self.key_names, charge, receipt);
            let keys = keys.iter().map(String::as_str);
            let result = self.run_script(&self.scripts.refund, keys, &packed);
            result.await.map_err(store_error)?;
        }
        Ok(())
    }

    /// Runs a script with one argument.
    pub(super) async fn run_script(
        &self,
        script: &Script,
        keys: impl ExactSizeIterator<Item = &str> + Clone,
        packed: &[u8],
    ) -> Result<Value, RedisError> {
        self.batcher.run_script(script, keys, packed).await
    }

    /// Sends one command of the administration.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let open = self.connection.get().await?;
        let result = open.transport.send(command).await;
        self.connection.report(&open, result).await
    }

    pub(super) async fn delete_budgets(
        &self,
        scope: Scope<'_>,
        key: &Key,
    ) -> Result<u64, StoreError> {
        let reply = self.send(&known_windows::list(&self.key_names)).await;
        let announced =
            known_windows::parse_list(reply.map_err(store_error)?).ok_or_else(|| {
                StoreError::new("unexpected reply of Redis to ZRANGE: expected a list of texts")
            })?;
        let prefix = self.key_names.budget_prefix(scope, key);
        let mut cleared = 0;
        // One command for each strategy: all windows of a strategy together count as one budget.
        for keys in self.known_windows.keys_by_strategy(&announced, &prefix) {
            let mut command = Cmd::new();
            command.arg("UNLINK").arg(keys);
            let reply = self.send(&command).await.map_err(store_error)?;
            let deleted = u64::from_redis_value(reply).map_err(|_| {
                StoreError::new("unexpected reply of Redis to UNLINK: expected a number")
            })?;
            cleared += u64::from(deleted > 0);
        }
        Ok(cleared)
    }
}

impl fmt::Debug for RedisStore {
    /// Leaves out the clients of the `redis` crate, which show users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("key_names", &self.key_names)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
