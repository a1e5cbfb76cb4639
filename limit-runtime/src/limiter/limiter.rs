//! A limiter, and its checks of several charges at once.

use super::{drain::Drain, permits::Permits, wait_queue::WaitQueues};
use crate::{
    client_ip::TrustedProxies,
    clock::Clock,
    decision::{Decision, StrictestOutcome},
    extract::role::KeyRole,
    key::Key,
    observe::{layer_registry::LayerRegistry, observer::Observer},
    policy::{boxed::BoxedFn, source::IsBuiltIn},
    response::settings::ResponseSettings,
    store::{self, Action, Charge, StoreError, memory::MemoryStore, resilience::Guard},
};
use http::request::Parts;
use std::{
    any::TypeId,
    fmt,
    hash::{BuildHasher, RandomState},
    slice,
    sync::Arc,
    time::Duration,
};

/// Checks requests against limits, and counts them in a store.
///
/// A limiter is cheap to clone, and its clones share one state. Handlers use the process-wide
/// limiter, [`Limiter::global`], unless a [`layer`](Self::layer) around them provides another one.
/// So a program without settings of its own needs no limiter at all.
///
/// | To | call |
/// |---|---|
/// | count in this process's memory | [`Limiter::new`] |
/// | count in a remote store | [`Limiter::connect`] |
/// | change settings | [`Limiter::builder`], [`Limiter::from_env`] |
/// | use a limiter for the whole process | [`install`](Self::install) |
/// | use a limiter for one router | [`layer`](Self::layer) |
/// | limit all routes of a router | [`limit_layer`](Self::limit_layer) |
/// | check anything but a request | [`check`](Self::check), [`try_check`](Self::try_check) |
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
pub struct Limiter(pub(super) Arc<Inner>);

/// The shared state of a limiter and its clones.
pub(super) struct Inner {
    pub(super) enabled: bool,
    pub(super) store: Backend,
    pub(super) skip_when: Option<Box<SkipWhen>>,
    pub(super) default_key: Option<DefaultKeyFn>,
    pub(super) response: ResponseSettings,
    pub(super) drain: Drain,
    pub(super) trusted_proxies: Option<TrustedProxies>,
    pub(super) ipv6_prefix: u8,
    pub(super) wait_queues: WaitQueues,
    pub(super) permits: Permits,
    pub(super) max_waiting: usize,
    pub(super) jitter_seed: RandomState,
    pub(super) clock: Clock,
    pub(super) layers: LayerRegistry,
    pub(super) observer: Observer,
}

pub(super) type SkipWhen = dyn Fn(&Parts) -> bool + Send + Sync;

/// The key function of rules without a `key`.
pub(super) struct DefaultKeyFn {
    pub(super) function: BoxedFn<KeyRole>,
    /// The type of the function; `None` for a constant key.
    pub(super) type_id: Option<TypeId>,
}

/// The store that a limiter counts in.
#[expect(clippy::large_enum_variant, reason = "each limiter has only one")]
pub(super) enum Backend {
    /// In this process. Decides at once, without an allocation.
    Memory(MemoryStore),
    /// Any other store, with a deadline, a circuit breaker and a fallback around it.
    Remote(Guard),
}

impl Limiter {
    /// Checks all `charges` as one: all are consumed, or none.
    ///
    /// `action` is [`Consume`](Action::Consume) for an ordinary check, and [`Peek`](Action::Peek)
    /// for one that consumes nothing.
    ///
    /// ```
    /// use limit_runtime::{IntoKey, Limiter, limits, store::{Action, Charge, Scope}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let limiter = Limiter::new();
    /// let (requests, tokens) = (limits!("60/minute"), limits!("1_000/minute"));
    /// let key = "alice".into_key();
    /// let charges = [
    ///     Charge::new(Scope::shared("requests"), &key, &requests),
    ///     Charge::new(Scope::shared("tokens"), &key, &tokens).cost(800),
    /// ];
    /// assert!(limiter.check_all(&charges, Action::Consume).await?.is_allowed());
    /// // Only 200 tokens remain, so the request is not counted either.
    /// assert!(!limiter.check_all(&charges, Action::Consume).await?.is_allowed());
    /// let requests = limiter.check(&requests, "alice").scope("requests").peek().await?;
    /// assert_eq!(requests.outcomes()[0].remaining(), 59);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the remote store does not answer, and [`Fallback::Deny`](crate::store::Fallback::Deny)
    /// applies to one of the charges. A limiter in memory returns no error.
    pub async fn check_all(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, StoreError> {
        match self.try_check_all(charges, action) {
            Ok(decision) => Ok(decision),
            Err(remote) => remote.check(charges, action).await,
        }
    }

    /// Checks and consumes one charge without waiting, for code that cannot await.
    ///
    /// Returns `None`, and consumes nothing, if the answer has to come from a remote store. Use
    /// [`check_all`](Self::check_all) then. This is the fastest check of a limiter in memory.
    ///
    /// ```
    /// use limit_runtime::{IntoKey, Limiter, limits, store::{Charge, Scope}};
    ///
    /// let (limiter, limits, key) = (Limiter::new(), limits!("1/minute"), "alice".into_key());
    /// let charge = Charge::new(Scope::shared("jobs"), &key, &limits);
    /// assert!(limiter.try_check(&charge).is_some_and(|decision| decision.is_allowed()));
    /// assert!(limiter.try_check(&charge).is_some_and(|decision| !decision.is_allowed()));
    /// ```
    #[must_use]
    pub fn try_check(&self, charge: &Charge<'_>) -> Option<Decision> {
        match &self.0.store {
            Backend::Memory(store) if self.0.enabled => store.try_check(charge),
            _ => self.check_without_memory(charge),
        }
    }

    /// [`try_check`](Self::try_check) of a disabled limiter or one with a remote store. Not
    /// inlined, so that `try_check` has no stack frame.
    #[cold]
    #[inline(never)]
    fn check_without_memory(&self, charge: &Charge<'_>) -> Option<Decision> {
        self.try_check_all(slice::from_ref(charge), Action::Consume)
            .ok()
    }

    /// Checks and consumes a charge in memory, and returns the outcome of its strictest limit.
    /// Returns `None`, and consumes nothing, if the store has to be awaited, if limits do not apply
    /// or if the cost is zero.
    #[inline]
    pub(crate) fn try_check_strictest(&self, charge: &Charge<'_>) -> Option<StrictestOutcome> {
        match &self.0.store {
            Backend::Memory(store) if self.0.enabled && charge.cost > 0 => {
                store.strictest_outcome(charge)
            }
            _ => None,
        }
    }

    /// Checks any charges without waiting.
    ///
    /// # Errors
    /// The remote store, if the answer has to come from it.
    pub(crate) fn try_check_all(
        &self,
        charges: &[Charge<'_>],
        action: Action,
    ) -> Result<Decision, &Guard> {
        if !self.0.enabled {
            return Ok(store::charge::all_allowed(charges));
        }
        match &self.0.store {
            Backend::Memory(store) => Ok(store.check(charges, action)),
            Backend::Remote(remote) => Err(remote),
        }
    }

    /// A refusal of `charges` that this process knows of without a call to a remote store.
    ///
    /// In memory, the decision covers all charges. With a remote store, it is a cached denial of
    /// one charge, and its index is returned with it.
    pub(crate) fn known_denial(&self, charges: &[Charge<'_>]) -> Option<(Option<usize>, Decision)> {
        if !self.0.enabled || charges.is_empty() {
            return None;
        }
        match &self.0.store {
            Backend::Memory(store) => {
                let decision = store.check(charges, Action::Peek);
                (!decision.is_allowed()).then_some((None, decision))
            }
            Backend::Remote(store) => {
                let mut charges = charges.iter().enumerate();
                charges.find_map(|(index, charge)| {
                    let denial = store.known_denial(charge)?;
                    Some((Some(index), denial))
                })
            }
        }
    }

    /// Whether both are clones of one limiter.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether limits apply at all.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whether the request is exempt from all limits: `enabled(false)` or `skip_when`.
    pub(crate) fn skips(&self, parts: &Parts) -> bool {
        !self.0.enabled || self.0.skip_when.as_ref().is_some_and(|skip| skip(parts))
    }

    /// The configured default key function; `None` for the client's address.
    pub(crate) fn default_key_fn(&self) -> Option<&BoxedFn<KeyRole>> {
        self.0.default_key.as_ref().map(|key| &key.function)
    }

    /// Whether the default key is computed without a call to a function of the application.
    pub(crate) fn has_cheap_default_key(&self, is_built_in: IsBuiltIn) -> bool {
        let key = self.0.default_key.as_ref();
        key.is_none_or(|key| key.type_id.is_none_or(is_built_in))
    }

    pub(crate) fn response_settings(&self) -> &ResponseSettings {
        &self.0.response
    }

    pub(crate) fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// The time to add to `Retry-After` for this key.
    ///
    /// It depends on the key only, so a client cannot get a shorter wait by asking again.
    pub(crate) fn retry_jitter(&self, key: &Key) -> Duration {
        let max_jitter = self.0.response.retry_jitter;
        if max_jitter.is_zero() {
            return Duration::ZERO;
        }
        let micros = u64::try_from(max_jitter.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.0.jitter_seed.hash_one(key) % micros.saturating_add(1).max(1))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    #[inline]
    pub(crate) fn observer(&self) -> &Observer {
        &self.0.observer
    }

    pub(crate) fn layers(&self) -> &LayerRegistry {
        &self.0.layers
    }

    /// Whether the store is this process's memory, so that checks complete at once.
    pub(crate) fn counts_in_memory(&self) -> bool {
        matches!(self.0.store, Backend::Memory(_))
    }

    /// The remote store. `None` in memory.
    pub(crate) fn guard(&self) -> Option<&Guard> {
        match &self.0.store {
            Backend::Memory(_) => None,
            Backend::Remote(guard) => Some(guard),
        }
    }

    pub(crate) fn wait_queues(&self) -> &WaitQueues {
        &self.0.wait_queues
    }

    /// The permits that are held in this process.
    pub(crate) fn permits(&self) -> &Permits {
        &self.0.permits
    }

    pub(crate) fn max_waiting(&self) -> usize {
        self.0.max_waiting
    }

    /// The number of leading bits of an IPv6 address that `client_ip` counts by.
    pub(crate) fn ipv6_prefix(&self) -> u8 {
        self.0.ipv6_prefix
    }

    pub(crate) fn trusted_proxies(&self) -> Option<&TrustedProxies> {
        self.0.trusted_proxies.as_ref()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limiter = f.debug_struct("Limiter");
        match &self.0.store {
            Backend::Memory(store) => limiter.field("store", store),
            Backend::Remote(store) => limiter.field("store", store),
        };
        limiter
            .field("enabled", &self.0.enabled)
            .field("header_style", &self.0.response.header_style)
            .field("trusted_proxies", &self.0.trusted_proxies)
            .finish_non_exhaustive()
    }
}
