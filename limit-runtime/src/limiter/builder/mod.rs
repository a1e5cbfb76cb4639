//! Settings of a limiter.

mod observe;
mod response;

use super::{
    drain::{Drain, DrainSettings},
    limiter::{Backend, DefaultKeyFn, Inner, Limiter, SkipWhen},
    permits::Permits,
    wait_queue::WaitQueues,
};
use crate::{
    client_ip::{TrustedProxies, trusted_proxies},
    clock::Clock,
    extract::role_fn::{KeyFn, KeyOfRequest},
    key::MAX_IPV6_PREFIX,
    observe::{
        layer_registry::LayerRegistry,
        observer::{Observer, ObserverSettings},
    },
    policy::boxed::boxed,
    response::settings::ResponseSettings,
    store::{
        CustomStore,
        memory::{Bounds, MemoryStore, WhenFull},
        resilience::Guard,
    },
};
use http::request::Parts;
use std::{any::TypeId, fmt, hash::RandomState, sync::Arc};

/// The prefix of the largest network that providers assign to one customer.
const MIN_IPV6_PREFIX: u8 = 48;

impl Limiter {
    /// A limiter that counts in this process's memory, with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A builder for a limiter with other settings.
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder::new()
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

/// Settings of a [`Limiter`], from [`Limiter::builder`].
///
/// Every setting has a default. The limiter counts in this process's memory, unless
/// [`remote`](Self::remote) or [`store`](Self::store) names another store.
///
/// ```
/// use limit_runtime::{HeaderStyle, Limiter, TrustedProxies, header};
///
/// # fn main() -> Result<(), limit_runtime::TrustedProxiesError> {
/// let limiter = Limiter::builder()
///     .default_key(header("x-api-key"))
///     .trusted_proxies(TrustedProxies::new(["10.0.0.0/8"])?)
///     .header_style(HeaderStyle::XRateLimit)
///     .build();
/// # Ok(())
/// # }
/// ```
#[must_use = "call `.build()`"]
pub struct LimiterBuilder {
    enabled: bool,
    pub(in crate::limiter) clock: Option<Clock>,
    store: Option<CustomStore>,
    bounds: Bounds,
    skip_when: Option<Box<SkipWhen>>,
    default_key: Option<DefaultKeyFn>,
    response: ResponseSettings,
    drain: DrainSettings,
    trusted_proxies: Option<TrustedProxies>,
    ipv6_prefix: u8,
    max_waiting: usize,
    observer: ObserverSettings,
}

impl LimiterBuilder {
    fn new() -> Self {
        Self {
            enabled: true,
            clock: None,
            store: None,
            bounds: Bounds::default(),
            skip_when: None,
            default_key: None,
            response: ResponseSettings::default(),
            drain: DrainSettings::default(),
            trusted_proxies: None,
            ipv6_prefix: MAX_IPV6_PREFIX,
            max_waiting: 64,
            observer: ObserverSettings::default(),
        }
    }

    /// Whether limits apply. Default: `true`.
    ///
    /// With `false`, every request is admitted, and [`build`](Self::build) logs a warning.
    ///
    /// ```
    /// let limiter = limit_runtime::Limiter::builder().enabled(false).build();
    /// ```
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The source of time. Default: the monotonic clock of the system.
    ///
    /// Tests pass a [`TestClock`](crate::clock::TestClock), which a [remote](Self::remote) store
    /// uses, too. A [`store`](Self::store) of your own reads its own clock.
    ///
    /// ```
    /// use limit_runtime::{Limiter, clock::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let limiter = Limiter::builder().clock(clock.clone()).build();
    /// ```
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Counts in a [`Store`](crate::store::Store) of your own instead of memory.
    ///
    /// The limiter adds a deadline, a circuit breaker and a fallback to it. To set the deadline and
    /// the fallback, pass a [`CustomStore`].
    pub fn store(mut self, store: impl Into<CustomStore>) -> Self {
        self.store = Some(store.into());
        self
    }

    /// Maximum number of keys in memory, at least one. Default: 1,000,000.
    ///
    /// A key takes 64 bytes in a table of which up to 4 in 5 places are in use, so 80 to 120 bytes,
    /// and more while more than ten of its hits, or a hit of more than one unit, are in the window:
    /// 4 bytes for each hit of one unit, else 8, and 12 while the units in the window exceed
    /// 4,294,967,295. At worst these are some 2 × [`max_log_entries`](Self::max_log_entries) hits
    /// for one limit and 2.5 times as many for each of several: with the default, 16 KB for one
    /// limit and 20 KB for each of several. [`max_bytes`](Self::max_bytes) bounds all of it.
    ///
    /// When this number is reached, a new key takes the place of another; see
    /// [`when_full`](Self::when_full). Up to 64 shared budgets for each scope come on top. Under a
    /// strategy other than the moving window, a key with several limits counts once for each of
    /// them.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder().max_keys(100_000).build();
    /// ```
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.bounds.max_keys = keys.max(1);
        self
    }

    /// Maximum number of bytes that the tables and logs of keys take in memory. Default: no
    /// maximum.
    ///
    /// When it is reached, new keys are treated as when [`max_keys`](Self::max_keys) is reached,
    /// and the logs of keys do not grow: their hits are merged into fewer entries, with later
    /// times, so that limits are stricter and never exceeded. Tables that grow at one time, or for
    /// shared budgets, may exceed it by their growth, some 100 KB each, and logs of more than 2^32
    /// units by 100 bytes each. Some 400 bytes for each 4,096 of `max_keys` come on top.
    /// [`Usage::bytes`](crate::store::Usage::bytes) has the number of bytes in use.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder().max_bytes(64 << 20).build();
    /// ```
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.bounds.max_bytes = bytes;
        self
    }

    /// What happens to a new key when [`max_keys`](Self::max_keys) or
    /// [`max_bytes`](Self::max_bytes) is reached. Default: [`WhenFull::ForgetLeastUsed`].
    ///
    /// Expired keys make room first. [`Limiter::usage`] counts the keys that were forgotten and the
    /// checks that used a shared budget.
    ///
    /// ```
    /// use limit_runtime::{Limiter, WhenFull};
    ///
    /// let limiter = Limiter::builder().when_full(WhenFull::Share).build();
    /// ```
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.bounds.when_full = when_full;
        self
    }

    /// Maximum number of hits in a window up to which it is exact, from 1 to 16,384. Default:
    /// 1,024.
    ///
    /// Values outside this range are set to its nearest end. With B entries and a window of length
    /// T, the log of a key is exact for up to B hits in the window. Beyond that, hits within at
    /// most T/B of each other are merged into one entry, with the latest of their times. So a log
    /// takes at most 16 × B + 16 bytes for one limit, or 72 if that is more, and never admits more
    /// than it. Several limits of a key share a log of at most 20 × B + 24 bytes for each. Half as
    /// much again, and 64 bytes, while the units in the window exceed 4,294,967,295. A client that
    /// sends as many requests as possible gets at least B/(B+1) of its count.
    pub fn max_log_entries(mut self, entries: u32) -> Self {
        self.bounds.log_entries = entries;
        self
    }

    /// The key of rules without a `key`: a function of extractors. Default: the client's IP
    /// address, [`client_ip`](crate::client_ip()).
    ///
    /// ```
    /// use limit_runtime::{Limiter, header};
    ///
    /// let limiter = Limiter::builder().default_key(header("x-api-key")).build();
    /// ```
    pub fn default_key<F, M>(mut self, key: F) -> Self
    where
        F: KeyFn<(), M> + KeyOfRequest<M> + Clone + Send + Sync + 'static,
        M: 'static,
    {
        self.default_key = Some(DefaultKeyFn {
            function: boxed(key),
            type_id: (!F::IS_CONSTANT).then(TypeId::of::<F>),
        });
        self
    }

    /// Exempts requests for which `skip` returns `true` from all limits. Default: none.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .skip_when(|parts| parts.uri.path() == "/health")
    ///     .build();
    /// ```
    pub fn skip_when(mut self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.skip_when = Some(Box::new(skip));
        self
    }

    /// Proxies whose forwarding headers [`client_ip`](crate::client_ip()) trusts. Default: none.
    ///
    /// Without trusted proxies, the client is the peer of the connection.
    ///
    /// ```
    /// use limit_runtime::{Limiter, TrustedProxies};
    ///
    /// # fn main() -> Result<(), limit_runtime::TrustedProxiesError> {
    /// let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"])?;
    /// let limiter = Limiter::builder().trusted_proxies(proxies).build();
    /// # Ok(())
    /// # }
    /// ```
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = Some(proxies);
        self
    }

    /// The number of leading bits of an IPv6 address that [`client_ip`](crate::client_ip()) uses as
    /// the key, from 48 to 64. Default: 64.
    ///
    /// A provider that assigns a /56 network to each customer gives each of them 256 networks of
    /// /64, and so 256 keys: use 56 then. Values outside the range are set to its nearest end, with
    /// a warning in the log.
    ///
    /// This setting does not apply to key functions of your own that return an
    /// [`IpAddr`](std::net::IpAddr): they always use /64.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder().ipv6_prefix(56).build();
    /// ```
    pub fn ipv6_prefix(mut self, bits: u8) -> Self {
        let used = bits.clamp(MIN_IPV6_PREFIX, MAX_IPV6_PREFIX);
        if used != bits {
            tracing::warn!(
                bits,
                used,
                "`ipv6_prefix` is {bits}; allowed: 48 to 64; {used} is used instead"
            );
        }
        self.ipv6_prefix = used;
        self
    }

    /// Maximum number of requests that wait for one budget. Default: 64.
    ///
    /// Requests wait where a rule has the option `wait`. When the queue of a budget is full,
    /// further requests are refused at once. With 0, no request waits.
    pub fn max_waiting(mut self, requests: usize) -> Self {
        self.max_waiting = requests;
        self
    }

    /// Builds the limiter.
    #[must_use]
    pub fn build(self) -> Limiter {
        if !self.enabled {
            tracing::warn!("rate limiting is disabled: every request is admitted");
        }
        if self.trusted_proxies.is_some() {
            trusted_proxies::note_configured();
        }
        let clock = self.clock.unwrap_or_else(Clock::monotonic);
        let inner = Arc::new(Inner {
            enabled: self.enabled,
            clock: clock.clone(),
            layers: LayerRegistry::default(),
            observer: Observer::new(self.observer, clock.clone()),
            store: match self.store {
                Some(CustomStore { store, settings }) => {
                    Backend::Remote(Guard::new(store, clock, settings, self.bounds))
                }
                None => Backend::Memory(MemoryStore::new(clock, self.bounds)),
            },
            skip_when: self.skip_when,
            default_key: self.default_key,
            response: self.response,
            drain: Drain::new(self.drain),
            trusted_proxies: self.trusted_proxies,
            ipv6_prefix: self.ipv6_prefix,
            wait_queues: WaitQueues::default(),
            permits: Permits::default(),
            max_waiting: self.max_waiting,
            jitter_seed: RandomState::new(),
        });
        inner.wake_after_refunds();
        Limiter(inner)
    }
}

impl fmt::Debug for LimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterBuilder")
            .field("enabled", &self.enabled)
            .field("clock", &self.clock)
            .field("store", &self.store)
            .field("trusted_proxies", &self.trusted_proxies)
            .finish_non_exhaustive()
    }
}
