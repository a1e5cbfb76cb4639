//! The limiter: a store, and how its answers are shown.

use crate::{
    clock::Clock,
    decision::{Decision, Receipt},
    http::HeaderStyle,
    key::{IntoKey, Key},
    store::{
        Action, Charge, Scope, Store, StoreError,
        memory::{Bounds, MemoryStore, Usage},
    },
    window::Strategy,
};
use limit_core::Limits;
use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{Arc, OnceLock},
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
/// assert!(limiter.check(&limits, "alice").await?.is_allowed());
/// assert!(limiter.check(&limits, "alice").await?.is_allowed());
/// assert!(!limiter.check(&limits, "alice").await?.is_allowed());
/// assert!(limiter.check(&limits, "bob").await?.is_allowed());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    store: Backend,
    header_style: HeaderStyle,
}

/// Memory answers at once and without an allocation; any other store answers in a future.
enum Backend {
    Memory(MemoryStore),
    Other(Box<dyn Store>),
}

impl Limiter {
    /// A limiter that counts in this process's memory, with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A limiter with settings of your own.
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder {
            clock: None,
            store: None,
            bounds: Bounds::default(),
            header_style: HeaderStyle::default(),
        }
    }

    /// The limiter of the whole process: in memory, with the default settings.
    #[must_use]
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Limiter> = OnceLock::new();
        GLOBAL.get_or_init(Self::new)
    }

    /// Begins a check of `key` against `limits`; await it for the [`Decision`].
    ///
    /// For what no handler covers: messages on a WebSocket, jobs, other protocols.
    pub fn check<'a>(&'a self, limits: &'a Limits, key: impl IntoKey) -> Check<'a> {
        Check {
            limiter: self,
            scope: Scope {
                name: "",
                route: "",
            },
            key: key.into_key(),
            limits,
            cost: 1,
            action: Action::Consume,
        }
    }

    /// Gives back the costs of `charges` that a check consumed and answered with `receipts`.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn refund(
        &self,
        charges: &[Charge<'_>],
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        match &self.0.store {
            Backend::Memory(store) => {
                store.refund(charges, receipts);
                Ok(())
            }
            Backend::Other(store) => store.refund(charges, receipts).await,
        }
    }

    /// Forgets what `key` consumed in `scope`.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn clear(&self, scope: Scope<'_>, key: impl IntoKey) -> Result<(), StoreError> {
        let key = key.into_key();
        match &self.0.store {
            Backend::Memory(store) => {
                store.clear(scope, &key);
                Ok(())
            }
            Backend::Other(store) => store.clear(scope, &key).await,
        }
    }

    /// Forgets everything that this limiter counted.
    ///
    /// # Errors
    /// When the store could not answer.
    pub async fn reset(&self) -> Result<(), StoreError> {
        match &self.0.store {
            Backend::Memory(store) => {
                store.reset();
                Ok(())
            }
            Backend::Other(store) => store.reset().await,
        }
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
        match &self.0.store {
            Backend::Memory(store) => Ok(store.check(charges, action)),
            Backend::Other(store) => store.check(charges, action).await,
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
            Backend::Other(_) => None,
        }
    }

    pub(crate) fn header_style(&self) -> HeaderStyle {
        self.0.header_style
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
            Backend::Other(store) => limiter.field("store", store),
        };
        limiter.field("header_style", &self.0.header_style).finish()
    }
}

/// Settings of a [`Limiter`].
///
/// ```
/// use limit_runtime::{HeaderStyle, Limiter};
///
/// let limiter = Limiter::builder().header_style(HeaderStyle::Off).build();
/// ```
#[derive(Debug)]
#[must_use = "call `.build()`"]
pub struct LimiterBuilder {
    clock: Option<Clock>,
    store: Option<Box<dyn Store>>,
    bounds: Bounds,
    header_style: HeaderStyle,
}

impl LimiterBuilder {
    /// Reads the time here: a [`TestClock`](crate::clock::TestClock) in tests. Stores of your own have their own time.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Counts in `store` and not in memory.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// How many keys are held in memory at most; a million if not called, and at least one.
    ///
    /// A key takes about 50 bytes, and more while it has more than two hits that count. Nobody who is
    /// limited is dropped to make room: past this number, new keys share budgets of their handler, which is
    /// stricter than one each. [`Limiter::usage`] tells how often that happened. Under a strategy
    /// other than the moving window, a key with several limits counts once for each.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.bounds.max_keys = keys.max(1);
        self
    }

    /// Up to how many hits within a window the log in memory is exact; 1,024 if not called.
    ///
    /// Past B hits, those that came within T/B of each other count as one that came at the latest of their
    /// times. So a log never admits more than it should, takes at most about 8 B bytes, and a client that
    /// always comes as often as it may still gets B/(B+1) of its count. From 1 to 16,384; what lies
    /// outside counts as the nearest of these.
    pub fn log_entries(mut self, entries: u32) -> Self {
        self.bounds.log_entries = entries;
        self
    }

    /// Which headers responses carry.
    pub fn header_style(mut self, style: HeaderStyle) -> Self {
        self.header_style = style;
        self
    }

    /// The limiter.
    #[must_use]
    pub fn build(self) -> Limiter {
        let clock = self.clock.unwrap_or_else(Clock::monotonic);
        Limiter(Arc::new(Inner {
            store: match self.store {
                Some(store) => Backend::Other(store),
                None => Backend::Memory(MemoryStore::new(clock, self.bounds)),
            },
            header_style: self.header_style,
        }))
    }
}

/// A check on its way; await it.
#[derive(Debug)]
#[must_use = "a check does nothing until it is awaited"]
pub struct Check<'a> {
    limiter: &'a Limiter,
    scope: Scope<'a>,
    key: Key,
    limits: &'a Limits,
    cost: u32,
    action: Action,
}

impl<'a> Check<'a> {
    /// How much to take; one if not called. Zero asks whether anything is left.
    pub fn cost(mut self, cost: u32) -> Self {
        self.cost = cost;
        self
    }

    /// Whose budget to draw on. Without it, all checks that name no scope share one.
    pub fn scope(mut self, name: &'a str) -> Self {
        self.scope.name = name;
        self
    }

    /// Answers as the check would, and takes nothing.
    pub fn peek(mut self) -> Self {
        self.action = Action::Peek;
        self
    }
}

impl<'a> IntoFuture for Check<'a> {
    type Output = Result<Decision, StoreError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let charge = Charge {
                scope: self.scope,
                key: &self.key,
                limits: self.limits,
                cost: self.cost,
                strategy: Strategy::default(),
            };
            self.limiter.decide(&[charge], self.action).await
        })
    }
}
