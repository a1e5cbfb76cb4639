//! Redis and Valkey: one limit over many machines.
//!
//! One script call for each check: one round trip, atomic, and on the server's clock.
//! [`Limiter::connect`](crate::Limiter::connect) makes a limiter from a URL; [`RedisStore`] is for those who
//! have a connection already.

mod batch;
mod digest;
mod failure;
mod link;
mod parley;
mod request;
mod reserve;
mod script;
mod source;
mod sweep;
mod url;
mod wire;

use self::{
    batch::Batcher,
    digest::Namer,
    failure::store_error,
    link::Link,
    request::{Request, Rules},
    script::{Scripts, Time},
    source::{Source, Times},
    url::Target,
};
use super::{
    charge::{Action, Charge},
    connect::ConnectError,
    error::StoreError,
    resilience::DEADLINE,
    scope::Scope,
    store::{Store, StoreFuture},
};
use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    key::Key,
};
use ::redis::{Cmd, FromRedisValue, aio::ConnectionLike};
use std::{sync::Arc, time::Duration};

/// The `redis` crate, of the version that [`RedisStore::from_redis_connection`] takes.
#[doc(no_inline)]
pub use ::redis;

/// What all keys in Redis begin with, unless the settings say otherwise.
const PREFIX: &str = "limit";

/// Counts in Redis or Valkey.
///
/// Most programs need only [`Limiter::connect`](crate::Limiter::connect). A limiter that shares
/// a connection with the rest of the program:
///
/// ```no_run
/// use limit_runtime::{Limiter, store::redis::{RedisStore, redis}};
///
/// # async fn example() -> redis::RedisResult<()> {
/// let client = redis::Client::open("redis://cache:6379")?;
/// let connection = client.get_multiplexed_async_connection().await?;
/// let limiter = Limiter::builder()
///     .store(RedisStore::from_redis_connection(connection))
///     .build();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisStore {
    namer: Namer,
    link: Link,
    clock: Option<Clock>,
    scripts: Arc<Scripts>,
    batcher: Arc<Batcher>,
    rules: Rules,
}

impl RedisStore {
    /// A store behind `url`, to which nothing is sent before the first check.
    ///
    /// # Errors
    /// When the URL names no such store.
    pub fn new(url: &str) -> Result<Self, ConnectError> {
        Self::under(DEADLINE, url)
    }

    /// The same, for a limiter with this deadline.
    pub(crate) fn under(deadline: Duration, url: &str) -> Result<Self, ConnectError> {
        let source = Source::new(Target::parse(url)?, Times::under(deadline))?;
        Ok(Self::over(source))
    }

    /// A store behind a connection of the `redis` crate to one server.
    ///
    /// The connection is used as it is: its time-outs should be short, and it has to reconnect by
    /// itself, as a `ConnectionManager` does.
    ///
    /// The connection's trait is that of the `redis` crate, version 1: a later major version of that
    /// crate needs a later major version of this one. The module re-exports the
    /// [crate](mod@self::redis), so that a program need not depend on a version of its own.
    pub fn from_redis_connection(
        connection: impl ConnectionLike + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::over(Source::Given(Arc::new(connection)))
    }

    fn over(source: Source) -> Self {
        let link = Link::new(source);
        let scripts = Arc::new(Scripts::new(Time::Server));
        Self {
            namer: Namer::new(PREFIX, None),
            batcher: Batcher::new(link.clone(), scripts.clone(), None),
            link,
            clock: None,
            scripts,
            rules: Rules::default(),
        }
    }

    /// The prefix of all keys in Redis. Default: `limit`. Limiters with equal prefixes and equal
    /// secrets share their budgets.
    #[must_use]
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.namer.set_prefix(prefix);
        self
    }

    /// The secret that the names of keys are hashed with. All machines need the same secret. With
    /// it, access to Redis is not enough to confirm a guessed key.
    #[must_use]
    pub fn key_secret(mut self, secret: &str) -> Self {
        self.namer.set_secret(secret);
        self
    }

    /// Reads the time here and not on the server: for tests, with a
    /// [`TestClock`](crate::clock::TestClock). All who share the store must read the same clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        let clock = clock.into();
        self.scripts = Arc::new(Scripts::new(Time::Argument));
        self.batcher = Batcher::new(self.link.clone(), self.scripts.clone(), Some(clock.clone()));
        self.clock = Some(clock);
        self
    }

    async fn check_once(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        let request = Request::new(&self.namer, charges, action);
        self.rules.note(charges);
        let (now, reply) = self.batcher.run(request).await.map_err(store_error)?;
        request::decision(charges, now, &reply)
    }

    async fn give_back(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        // One call for each charge: they may live on different servers.
        for (charge, receipt) in charges.iter().zip(receipts) {
            let (keys, mut args) = request::refund(&self.namer, charge, receipt);
            args.extend(self.clock.as_ref().map(|clock| clock.now().as_micros()));
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            let open = self.link.get().await.map_err(store_error)?;
            let result = self.scripts.refund.run(&*open.wire, &keys, &args).await;
            self.link.saw(&open, result.as_ref().err());
            result.map_err(store_error)?;
        }
        Ok(())
    }

    async fn delete_budgets(&self, scope: Scope<'_>, key: &Key) -> Result<u64, StoreError> {
        let owner = self.namer.owner(scope, key);
        let mut cleared = 0;
        // One command for each strategy: the windows of one strategy are one budget.
        for keys in self.rules.keys_by_strategy(&owner) {
            let mut command = Cmd::new();
            command.arg("DEL").arg(keys);
            let open = self.link.get().await.map_err(store_error)?;
            let result = open.wire.send(&command).await;
            self.link.saw(&open, result.as_ref().err());
            let deleted = u64::from_redis_value(result.map_err(store_error)?)
                .map_err(|_| StoreError::bug("DEL did not answer with a number"))?;
            cleared += u64::from(deleted > 0);
        }
        Ok(cleared)
    }
}

impl Store for RedisStore {
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision> {
        if self.link.is_one_server() {
            Box::pin(self.check_once(charges, action))
        } else {
            Box::pin(self.check_in_order(charges, action))
        }
    }

    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.give_back(charges, receipts))
    }

    /// Clears them under all windows and strategies that this process has checked so far.
    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(self.delete_budgets(scope, key))
    }

    fn reset_all(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.sweep())
    }

    /// What its keys begin with: `limit:{5e0f…}`.
    fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        Some(self.namer.owner(scope, key))
    }

    fn epoch(&self) -> u64 {
        self.link.opened()
    }

    fn denials_last(&self) -> bool {
        true
    }
}
