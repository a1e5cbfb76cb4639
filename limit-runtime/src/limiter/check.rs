//! A check of one key, for code outside of handlers.

use super::limiter::Limiter;
use crate::{
    decision::Decision,
    key::{IntoKey, Key},
    store::{Action, Charge, Fallback, Scope, StoreError, StoreFuture},
    window::Strategy,
};
use limit_core::Limits;
use std::{
    fmt,
    future::{Future, IntoFuture},
    mem,
    pin::Pin,
    task::{Context, Poll},
};

impl Limiter {
    /// Checks `key` against `limits`: await the result for a [`Decision`].
    ///
    /// Use it for work that is not a limited handler: messages on a WebSocket, jobs, other
    /// protocols. The [`Check`] has methods for cost, scope and strategy.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
    /// let limiter = Limiter::new();
    /// let limits = limits!("1_000/minute");
    /// let decision = limiter.check(&limits, "alice").scope("tokens").cost(800).await?;
    /// assert!(decision.is_allowed());
    /// assert_eq!(decision.outcomes()[0].remaining(), 200);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The future returns an error if the remote store does not answer and
    /// [`Fallback::Deny`] applies. A limiter in memory returns no error.
    pub fn check<'a>(&'a self, limits: &'a Limits, key: impl IntoKey) -> Check<'a> {
        Check::new(self, limits, key.into_key())
    }
}

/// A check that is being built, from [`Limiter::check`]. Await it for its [`Decision`].
///
/// Checks of equal scope, key and strategy use one budget.
///
/// ```
/// use limit_runtime::{Limiter, Strategy, limits};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), limit_runtime::store::StoreError> {
/// let limiter = Limiter::new();
/// let limits = limits!("5/minute");
/// let check = || limiter.check(&limits, "alice").scope("logins").strategy(Strategy::FixedWindow);
/// assert!(check().cost(5).await?.is_allowed());
/// // A peek consumes nothing.
/// assert!(!check().peek().await?.is_allowed());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a check does nothing until it is awaited"]
pub struct Check<'a> {
    limiter: &'a Limiter,
    scope: Scope<'a>,
    key: Key,
    limits: &'a Limits,
    cost: u64,
    strategy: Strategy,
    action: Action,
    on_store_error: Option<Fallback>,
}

impl<'a> Check<'a> {
    fn new(limiter: &'a Limiter, limits: &'a Limits, key: Key) -> Self {
        Self {
            limiter,
            scope: const { Scope::shared("") },
            key,
            limits,
            cost: 1,
            strategy: Strategy::default(),
            action: Action::Consume,
            on_store_error: None,
        }
    }

    fn charge(&self) -> Charge<'_> {
        Charge {
            scope: self.scope,
            key: &self.key,
            limits: self.limits,
            cost: self.cost,
            strategy: self.strategy,
            on_store_error: self.on_store_error,
            id: None,
        }
    }

    /// The number of units to consume. Default: 1.
    ///
    /// A cost of 0 consumes nothing. It is allowed if at least one unit remains.
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    /// The scope of the budget: budgets of different scopes count apart. Default: one scope for all
    /// checks without a scope.
    pub fn scope(mut self, scope: impl Into<Scope<'a>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// The algorithm that counts. Default: [`Strategy::MovingWindow`].
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Returns the decision that the check would return, but consumes nothing.
    pub fn peek(mut self) -> Self {
        self.action = Action::Peek;
        self
    }

    /// What to do if the remote store does not answer. Default: the limiter's
    /// [fallback](crate::RemoteBuilder::fallback).
    pub fn on_store_error(mut self, fallback: Fallback) -> Self {
        self.on_store_error = Some(fallback);
        self
    }
}

impl<'a> IntoFuture for Check<'a> {
    type Output = Result<Decision, StoreError>;
    type IntoFuture = CheckFuture<'a>;

    fn into_future(self) -> Self::IntoFuture {
        CheckFuture(State::New(self))
    }
}

/// The future of a [`Check`].
///
/// With a limiter in memory, the first poll returns the decision, without an allocation. Do not
/// poll it again after it has returned: it is pending forever then.
#[derive(Debug)]
#[must_use = "a check does nothing until it is awaited"]
pub struct CheckFuture<'a>(State<'a>);

enum State<'a> {
    New(Check<'a>),
    /// The call to the remote store.
    Remote(StoreFuture<'a, Decision>),
    Done,
}

impl Future for CheckFuture<'_> {
    type Output = Result<Decision, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(check) = &self.0 {
            match check.limiter.try_check_all(&[check.charge()], check.action) {
                Ok(decision) => {
                    self.0 = State::Done;
                    return Poll::Ready(Ok(decision));
                }
                Err(_) => self.0.call_store(),
            }
        }
        match &mut self.0 {
            State::Remote(call) => call.as_mut().poll(context),
            // The caller polls again after the end. Library code does not panic.
            State::New(_) | State::Done => Poll::Pending,
        }
    }
}

impl State<'_> {
    /// Starts the call to the remote store.
    fn call_store(&mut self) {
        if let Self::New(check) = mem::replace(self, Self::Done) {
            *self = Self::Remote(Box::pin(async move {
                check
                    .limiter
                    .check_all(&[check.charge()], check.action)
                    .await
            }));
        }
    }
}

impl fmt::Debug for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::Remote(_) => "Remote",
            Self::Done => "Done",
        })
    }
}
