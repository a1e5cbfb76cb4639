//! Checks outside of handlers.

use super::Limiter;
use crate::{
    decision::Decision,
    key::Key,
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

/// A check on its way; await it.
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
    pub(super) fn new(limiter: &'a Limiter, limits: &'a Limits, key: Key) -> Self {
        Self {
            limiter,
            scope: Scope::shared(""),
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
        }
    }

    /// How much to take; one if not called. Zero asks whether anything is left.
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    /// Whose budget to draw on. Without it, all checks that name no scope share one.
    pub fn scope(mut self, scope: impl Into<Scope<'a>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// How hits are counted; by the moving window without it.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Answers as the check would, and takes nothing.
    pub fn peek(mut self) -> Self {
        self.action = Action::Peek;
        self
    }

    /// What to do if a remote store does not answer; as the limiter says, if not called.
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

/// The future of a [`Check`]. In memory it answers when it is first polled, and allocates nothing. Polled again after its
/// answer, it has none any more, and stays pending.
#[derive(Debug)]
#[must_use = "a check does nothing until it is awaited"]
pub struct CheckFuture<'a>(State<'a>);

enum State<'a> {
    New(Check<'a>),
    Asked(StoreFuture<'a, Decision>),
    Over,
}

impl Future for CheckFuture<'_> {
    type Output = Result<Decision, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(check) = &self.0 {
            match check.limiter.decide_now(&[check.charge()], check.action) {
                Ok(decision) => {
                    self.0 = State::Over;
                    return Poll::Ready(Ok(decision));
                }
                Err(_) => self.0.ask(),
            }
        }
        match &mut self.0 {
            State::Asked(answer) => answer.as_mut().poll(context),
            // As a future that is over may: it has given its answer.
            State::New(_) | State::Over => Poll::Pending,
        }
    }
}

impl State<'_> {
    /// Asks the store where it has to be waited for.
    fn ask(&mut self) {
        if let Self::New(check) = mem::replace(self, Self::Over) {
            *self = Self::Asked(Box::pin(async move {
                check.limiter.decide(&[check.charge()], check.action).await
            }));
        }
    }
}

impl fmt::Debug for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::Asked(_) => "Asked",
            Self::Over => "Over",
        })
    }
}
