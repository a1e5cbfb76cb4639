//! The limiter: a store, and how its answers are shown.

mod builder;
mod check;
mod connect;
pub(crate) mod drain;
mod env;
mod process_wide;
pub(crate) mod wait_queue;

pub use self::{
    builder::LimiterBuilder,
    check::{Check, CheckFuture},
    env::EnvError,
    process_wide::InstallError,
};

use self::{drain::Drain, wait_queue::WaitQueues};
use crate::{
    client_ip::TrustedProxies,
    clock::Clock,
    decision::{Decision, Outcome, Receipt},
    extract::role::KeyRole,
    key::{IntoKey, Key},
    observe::layer_registry::LayerRegistry,
    policy::{boxed::BoxedFn, source::IsBuiltIn},
    response::settings::ResponseSettings,
    store::{
        Action, Charge, ConnectError, Health, Scope, StoreError,
        guard::Guard,
        memory::{MemoryStore, Usage},
    },
};
use http::request::Parts;
use limit_core::Limits;
use std::{
    any::TypeId,
    fmt,
    hash::{BuildHasher, RandomState},
    slice,
    sync::Arc,
    time::Duration,
};

/// What handlers are limited by. Clones are one limiter.
///
/// There is nothing to set up: handlers use [`Limiter::global`] unless a [`layer`](Self::layer)
/// above them names another.
///
/// ```
/// use limit_runtime::{Limiter, limits};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
/// let limiter = Limiter::new();
/// let limits = limits!("2/minute");
/// for _ in 0..2 {
///     assert!(limiter.check(&limits, "alice").scope("messages").await?.is_allowed());
/// }
/// let refused = limiter.check(&limits, "alice").scope("messages").await?;
/// assert!(!refused.is_allowed());
/// assert_eq!(refused.retry_after_secs(), Some(60));
/// assert!(limiter.check(&limits, "bob").scope("messages").await?.is_allowed());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    enabled: bool,
    store: Backend,
    skip_when: Option<Box<SkipWhen>>,
    default_key: Option<DefaultKeyFn>,
    responses: ResponseSettings,
    drain: Drain,
    trusted_proxies: Option<TrustedProxies>,
    ipv6_prefix: u8,
    wait_queues: WaitQueues,
    longest_line: usize,
    jitter_seed: RandomState,
    clock: Clock,
    layers: LayerRegistry,
}

type SkipWhen = dyn Fn(&Parts) -> bool + Send + Sync;

/// The key function for rules that name none.
pub(crate) struct DefaultKeyFn {
    function: BoxedFn<KeyRole>,
    /// The type of the function that was given; `None` for a constant.
    type_id: Option<TypeId>,
}

/// Memory answers at once and without an allocation; any other store answers in a future.
#[expect(clippy::large_enum_variant, reason = "there is one of it in a limiter")]
enum Backend {
    Memory(MemoryStore),
    /// Behind a deadline, a breaker and a fallback.
    Guarded(Guard),
}

impl Limiter {
    /// A limiter that counts in this process's memory, with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A limiter with settings of your own.
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder::new()
    }

    /// A limiter that counts where `url` says, with the default settings: on one limit over many machines.
    ///
    /// | URL | store | feature |
    /// |---|---|---|
    /// | `memory://` | this process | |
    /// | `redis://user:password@host:6379/0` | Redis or Valkey | `redis` |
    /// | `redis+unix:///run/redis.sock?db=0` | the same, over a socket | `redis` |
    /// | `rediss://host`, also `?tls-ca=/path/ca.pem` | the same, over TLS | `redis-tls` |
    /// | `redis+cluster://host1,host2` | a cluster | `redis-cluster` |
    /// | `redis+sentinel://host1,host2/master/0` | the master that Sentinel names | `redis-sentinel` |
    ///
    /// `valkey` stands for `redis` wherever you like, and `rediss+…` for TLS.
    ///
    /// The program starts without the store if need be; see [`Fallback`](crate::store::Fallback) for what
    /// happens while it is away.
    ///
    /// # Errors
    /// When the URL is wrong, its feature is off, or the server refuses us or is too old.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder().connect(url).await
    }

    /// Begins a check of `key` against `limits`; await it for the [`Decision`].
    ///
    /// For what no handler covers: messages on a WebSocket, jobs, other protocols.
    pub fn check<'a>(&'a self, limits: &'a Limits, key: impl IntoKey) -> Check<'a> {
        Check::new(self, limits, key.into_key())
    }

    /// Gives back the costs of `charges` that a check consumed and answered with `receipts`.
    ///
    /// A charge may be given back in parts. In all, no receipt gives back more than its charge
    /// consumed, however often it or a clone of it is presented; see [`Receipt`].
    ///
    /// # Errors
    /// When the store could not answer. It may have given the units back all the same, so that the
    /// receipts are not good for them again, unless the store is known to be out and was not asked.
    pub async fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        match &self.0.store {
            Backend::Memory(store) => store.refund(charges, receipts),
            Backend::Guarded(store) => store.refund(charges, receipts).await?,
        }
        self.wait_queues().wake_first_of(charges);
        Ok(())
    }

    /// Forgets what `key` consumed in `scope`.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn clear<'a>(
        &self,
        scope: impl Into<Scope<'a>>,
        key: impl IntoKey,
    ) -> Result<(), StoreError> {
        let (scope, key) = (scope.into(), key.into_key());
        match &self.0.store {
            Backend::Memory(store) => store.clear(scope, &key),
            Backend::Guarded(store) => store.clear(scope, &key).await?,
        }
        self.wait_queues().wake_first_of_all();
        Ok(())
    }

    /// Forgets everything that this limiter counted.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn reset(&self) -> Result<(), StoreError> {
        match &self.0.store {
            Backend::Memory(store) => store.reset(),
            Backend::Guarded(store) => store.reset().await?,
        }
        self.wait_queues().wake_first_of_all();
        Ok(())
    }

    /// Checks all `charges` as one: all are consumed, or none.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn decide(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        match self.decide_now(charges, action) {
            Ok(decision) => Ok(decision),
            Err(remote) => remote.check(charges, action).await,
        }
    }

    /// Consumes one charge where nothing has to be waited for, as in memory, and says how the
    /// [strictest](Decision::strictest) of its limits stands then; `None` where a store elsewhere has to be asked.
    ///
    /// The quickest check there is, for code that cannot or does not want to await.
    ///
    /// ```
    /// use limit_runtime::{IntoKey, Limiter, limits, store::{Charge, Scope}};
    ///
    /// let (limiter, limits, key) = (Limiter::new(), limits!("1/minute"), "alice".into_key());
    /// let charge = Charge::new(Scope::shared("jobs"), &key, &limits);
    /// assert!(limiter.consume_now(&charge).is_some_and(|outcome| outcome.is_allowed()));
    /// assert!(limiter.consume_now(&charge).is_some_and(|outcome| !outcome.is_allowed()));
    /// ```
    #[must_use]
    pub fn consume_now(&self, charge: &Charge<'_>) -> Option<Outcome> {
        if let Some((outcome, _)) = self.consume_quickly(charge) {
            return Some(outcome);
        }
        let decision = self.decide_at_length(slice::from_ref(charge), Action::Consume);
        decision.ok()?.strictest().copied()
    }

    /// The outcome of the most common charge, in memory. `None` for all others: nothing was consumed then.
    #[inline]
    pub(crate) fn consume_quickly(
        &self,
        charge: &Charge<'_>,
    ) -> Option<(Outcome, Option<Receipt>)> {
        match &self.0.store {
            Backend::Memory(store) if self.0.enabled => store.consume(charge),
            _ => None,
        }
    }

    /// The decision on any charges where nothing has to be waited for, as in memory; else who is to be asked.
    pub(crate) fn decide_now(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, &Guard> {
        match &self.0.store {
            Backend::Memory(store) if self.0.enabled => Ok(store.check(charges, action)),
            _ => self.decide_at_length(charges, action),
        }
    }

    /// The same for what [`consume_quickly`](Self::consume_quickly) has nothing to say of.
    pub(crate) fn decide_at_length(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, &Guard> {
        if !self.0.enabled {
            return Ok(Decision::untouched(charges));
        }
        match &self.0.store {
            Backend::Memory(store) => Ok(store.check_any(charges, action)),
            Backend::Guarded(remote) => Err(remote),
        }
    }

    /// What the budgets of `key` in `scope` are called in a shared store, to look at them there: in Redis, what its
    /// keys begin with. `None` in memory.
    pub fn describe_key<'a>(
        &self,
        scope: impl Into<Scope<'a>>,
        key: impl IntoKey,
    ) -> Option<String> {
        match &self.0.store {
            Backend::Memory(_) => None,
            Backend::Guarded(store) => store.describe_key(scope.into(), &key.into_key()),
        }
    }

    /// How the store is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0.store {
            Backend::Memory(_) => Health::of_memory(),
            Backend::Guarded(store) => store.health(),
        }
    }

    /// What this limiter holds in memory; `None` if it counts elsewhere.
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
            Backend::Memory(store) => Some(store.usage()),
            Backend::Guarded(_) => None,
        }
    }

    /// Whether both are one limiter.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether no limit applies to this request, whatever handler it goes to.
    pub(crate) fn skips(&self, parts: &Parts) -> bool {
        !self.0.enabled || self.0.skip_when.as_ref().is_some_and(|skip| skip(parts))
    }

    /// The key function that was set; `None` for the client's address.
    pub(crate) fn default_key_fn(&self) -> Option<&BoxedFn<KeyRole>> {
        self.0.default_key.as_ref().map(|key| &key.function)
    }

    /// Whether the key of rules that name none needs no function of the user's.
    pub(crate) fn has_cheap_default_key(&self, is_built_in: IsBuiltIn) -> bool {
        let key = self.0.default_key.as_ref();
        key.is_none_or(|key| key.type_id.is_none_or(is_built_in))
    }

    /// What this process knows without asking a remote store: whether one of these charges would be
    /// refused. The decision is on all of them, or on the one of this index alone.
    pub(crate) fn known_denial(&self, charges: &[Charge<'_>]) -> Option<(Option<usize>, Decision)> {
        if !self.0.enabled || charges.is_empty() {
            return None;
        }
        match &self.0.store {
            Backend::Memory(store) => {
                let decision = store.check(charges, Action::Peek);
                (!decision.is_allowed()).then_some((None, decision))
            }
            Backend::Guarded(store) => {
                let mut charges = charges.iter().enumerate();
                charges.find_map(|(index, charge)| {
                    let denial = store.known_denial(charge)?;
                    Some((Some(index), denial))
                })
            }
        }
    }

    pub(crate) fn response_settings(&self) -> &ResponseSettings {
        &self.0.responses
    }

    pub(crate) fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// What is added to the wait of this key: always the same, so that coming again early gains nothing.
    pub(crate) fn retry_jitter(&self, key: &Key) -> Duration {
        let greatest = self.0.responses.retry_jitter;
        if greatest.is_zero() {
            return Duration::ZERO;
        }
        let micros = u64::try_from(greatest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.0.jitter_seed.hash_one(key) % micros.saturating_add(1).max(1))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn layers(&self) -> &LayerRegistry {
        &self.0.layers
    }

    /// Whether checks are answered at once.
    pub(crate) fn counts_in_memory(&self) -> bool {
        matches!(self.0.store, Backend::Memory(_))
    }

    pub(crate) fn wait_queues(&self) -> &WaitQueues {
        &self.0.wait_queues
    }

    pub(crate) fn longest_line(&self) -> usize {
        self.0.longest_line
    }

    /// How many leading bits of an IPv6 address `client_ip` counts by.
    pub(crate) fn ipv6_prefix(&self) -> u8 {
        self.0.ipv6_prefix
    }

    pub(crate) fn trusted_proxies(&self) -> Option<&TrustedProxies> {
        self.0.trusted_proxies.as_ref()
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limiter = f.debug_struct("Limiter");
        match &self.0.store {
            Backend::Memory(store) => limiter.field("store", store),
            Backend::Guarded(store) => limiter.field("store", store),
        };
        limiter
            .field("enabled", &self.0.enabled)
            .field("header_style", &self.0.responses.header_style)
            .field("trusted_proxies", &self.0.trusted_proxies)
            .finish_non_exhaustive()
    }
}
