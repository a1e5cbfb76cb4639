//! Where what has been consumed is kept.

pub(crate) mod connect;
mod custom;
pub(crate) mod guard;
pub(crate) mod memory;
#[cfg(feature = "redis")]
pub mod redis;

pub use self::memory::Usage;

use crate::{
    decision::{Decision, Outcome, Receipt},
    key::Key,
    window::Strategy,
};
use limit_core::Limits;

pub use self::{
    connect::ConnectError,
    custom::CustomStore,
    guard::{Fallback, Health, StoreHealth},
};

use std::{fmt, future::Future, pin::Pin};

/// A place that counts: shared by machines, or of your own making.
///
/// A store answers every check atomically: all charges are consumed, or none.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Checks all `charges` as one, and consumes them as `action` says.
    ///
    /// The decision has one outcome for each limit of each charge, in that order. Headers show when more
    /// remains, as [`Outcome::with_next_after`](crate::Outcome::with_next_after) says.
    ///
    /// # Errors
    /// When the store could not answer. The charges may then have been consumed or not.
    fn check<'a>(&'a self, charges: &'a [Charge<'a>], action: Action) -> StoreFuture<'a, Decision>;

    /// Gives back the costs of `charges`, which a check consumed and answered with `receipts`.
    ///
    /// Cost by cost, no more is given back than that check consumed and the store still counts. The
    /// limiter asks for each unit of a [receipt](Receipt) at most once.
    ///
    /// # Errors
    /// When the store could not answer. The charges may then have been given back or not.
    fn refund<'a>(
        &'a self,
        charges: &'a [Charge<'a>],
        receipts: &'a [Receipt],
    ) -> StoreFuture<'a, ()>;

    /// Clears the budgets of `key` in `scope`, under every strategy. Returns how many there were: one
    /// for each strategy that counted something.
    ///
    /// # Errors
    /// When the store could not answer.
    fn reset_key<'a>(&'a self, scope: Scope<'a>, key: &'a Key) -> StoreFuture<'a, u64>;

    /// Clears all budgets of this limiter, and nothing else that the store may hold.
    ///
    /// # Errors
    /// When the store could not answer.
    fn reset_all(&self) -> StoreFuture<'_, ()>;

    /// What the budgets of `key` in `scope` are called in the store, to look at them there; `None` if it gives no names.
    fn describe_key(&self, scope: Scope<'_>, key: &Key) -> Option<String> {
        let _ = (scope, key);
        None
    }

    /// A number that changes when what was counted may have been lost, as after a new connection.
    /// For a while after that this process admits no more than its own counts allow.
    fn epoch(&self) -> u64 {
        0
    }

    /// Whether a denial holds until its `retry_after` whatever else is asked meanwhile, short of a
    /// refund, a reset or a changed limit. If so, this process repeats it by itself for up to a second.
    fn denials_last(&self) -> bool {
        false
    }
}

/// What a [`Store`] answers, when it does.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One budget that a request draws on: whose it is, what bounds it, and how much is wanted.
///
/// ```
/// use limit_runtime::{IntoKey, Limiter, limits, store::{Action, Charge, Scope}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
/// let (tokens, requests) = (limits!("100_000/minute"), limits!("60/minute"));
/// let key = "tenant-7".into_key();
/// // All or nothing: a request and what it may cost.
/// let charges = [
///     Charge::new(Scope::shared("requests"), &key, &requests),
///     Charge::new(Scope::shared("tokens"), &key, &tokens).cost(1_500),
/// ];
/// let decision = Limiter::new().check_all(&charges, Action::Consume).await?;
/// assert!(decision.is_allowed());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Charge<'a> {
    /// Whose budget.
    pub scope: Scope<'a>,
    /// Who is counted.
    pub key: &'a Key,
    /// All of these must have room.
    pub limits: &'a Limits,
    /// How much the request takes. Zero asks whether anything is left.
    pub cost: u64,
    /// How hits are counted.
    pub strategy: Strategy,
    /// What to do if a remote store does not answer; `None` as the limiter says.
    pub on_store_error: Option<Fallback>,
}

impl<'a> Charge<'a> {
    /// A charge of 1 on the budget of `key` in `scope`, which all of `limits` bound, by the moving window.
    #[must_use]
    #[inline]
    pub fn new(scope: Scope<'a>, key: &'a Key, limits: &'a Limits) -> Self {
        Self {
            scope,
            key,
            limits,
            cost: 1,
            strategy: Strategy::MovingWindow,
            on_store_error: None,
        }
    }

    /// How much to take. Zero asks whether anything is left.
    #[must_use]
    #[inline]
    pub fn cost(self, cost: u64) -> Self {
        Self { cost, ..self }
    }

    /// How hits are counted.
    #[must_use]
    #[inline]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// What to do if a remote store does not answer.
    #[must_use]
    #[inline]
    pub fn on_store_error(self, fallback: Fallback) -> Self {
        Self {
            on_store_error: Some(fallback),
            ..self
        }
    }
}

/// The decision that allows `charges` as if nothing was ever counted: of a limiter that is disabled,
/// or under [`Fallback::Allow`].
pub(crate) fn all_allowed(charges: &[Charge<'_>]) -> Decision {
    Decision::new(charges.iter().flat_map(|charge| {
        let limits = charge.limits.iter();
        limits.map(|&limit| Outcome::unused(limit, charge.strategy.capacity(limit)))
    }))
}

/// The scope of a budget. Two [charges](Charge) draw on one budget if scope, key and strategy are
/// the same.
///
/// ```
/// use limit_runtime::store::Scope;
///
/// // `#[rate_limit("10/minute", key = client_ip)] async fn predict() {}` in the module `my_app::api`
/// let of_handler = Scope::handler("my_app::api::predict", "client_ip");
/// // `scope = "models"`
/// let shared = Scope::shared("models");
/// // `limiter.limit_layer("app", limits)`
/// let of_layer = Scope::layer("app");
/// // `scope = route`, on the handler and on the layer
/// let on_routes = [of_handler, of_layer].map(|scope| scope.on_route("/predict/{model}"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Scope<'a> {
    /// The handler (module path and function name), or the name of a shared scope or of a layer.
    pub name: &'a str,
    /// The rule of a handler: its `name`, or its key as written. Empty for a shared scope.
    pub rule: &'a str,
    /// The route's template, such as `/item/{id}`; empty where the budget is one for all routes.
    pub route: &'a str,
}

impl<'a> Scope<'a> {
    /// The budget of one rule of a handler: its module path and function name, and the rule's
    /// `name`, or its key as written.
    #[must_use]
    pub const fn handler(path: &'a str, rule: &'a str) -> Self {
        Self {
            name: path,
            rule,
            route: "",
        }
    }

    /// The budgets of handlers whose `scope` is a function; its result is the first part of the key:
    /// `limiter.reset_key(Scope::computed(), ("tenant-7", "alice"))`.
    #[must_use]
    pub const fn computed() -> Self {
        Self::shared(Self::COMPUTED)
    }

    /// A budget that is shared by name, as `scope = "models"` on handlers.
    #[must_use]
    pub const fn shared(name: &'a str) -> Self {
        Self {
            name,
            rule: "",
            route: "",
        }
    }

    /// The budget of a layer of this name.
    #[must_use]
    pub const fn layer(name: &'a str) -> Self {
        Self {
            name,
            rule: Self::LAYER,
            route: "",
        }
    }

    /// The same on one route, as `scope = route` says: the route's whole template.
    #[must_use]
    pub const fn on_route(self, template: &'a str) -> Self {
        Self {
            route: template,
            ..self
        }
    }

    /// What no scope of a user's can be named, and no rule: they begin with a control character.
    const COMPUTED: &'static str = "\u{1}computed";
    const LAYER: &'static str = "\u{1}layer";
}

impl<'a> From<&'a str> for Scope<'a> {
    fn from(name: &'a str) -> Self {
        Self::shared(name)
    }
}

/// What a check does with its charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Consume them if all have room.
    Consume,
    /// Answer as [`Consume`](Self::Consume) would, and consume nothing.
    Peek,
    /// Consume them whether they have room or not: the work is done, and what is above a limit's count
    /// has to leave the window before anybody is admitted again. The answer is as for `Consume`.
    Force,
}

/// A store that could not answer.
#[derive(Debug)]
pub struct StoreError {
    message: Box<str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    is_outage: bool,
}

impl StoreError {
    /// An error that says what the store could not do.
    #[must_use]
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
            is_outage: true,
        }
    }

    /// An error of ours: the store is well, so it does not count against it.
    #[cfg_attr(
        not(feature = "redis"),
        expect(dead_code, reason = "only remote stores err so")
    )]
    pub(crate) fn bug(message: impl Into<Box<str>>) -> Self {
        Self {
            is_outage: false,
            ..Self::new(message)
        }
    }

    /// Whether the store is out, so that asking it again soon is in vain.
    pub(crate) fn is_outage(&self) -> bool {
        self.is_outage
    }

    /// The same, with its cause.
    #[must_use]
    pub fn with_source(
        message: impl Into<Box<str>>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
            is_outage: true,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
