//! Checks outside of handlers.

use super::Limiter;
use crate::{
    decision::Decision,
    key::Key,
    store::{Action, Charge, Fallback, Scope, StoreError},
    window::Strategy,
};
use limit_core::Limits;
use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

/// A check on its way; await it.
#[derive(Debug)]
#[must_use = "a check does nothing until it is awaited"]
pub struct Check<'a> {
    limiter: &'a Limiter,
    scope: Scope<'a>,
    key: Key,
    limits: &'a Limits,
    cost: u32,
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

    /// How much to take; one if not called. Zero asks whether anything is left.
    pub fn cost(mut self, cost: u32) -> Self {
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
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let charge = Charge {
                scope: self.scope,
                key: &self.key,
                limits: self.limits,
                cost: self.cost,
                strategy: self.strategy,
                on_store_error: self.on_store_error,
            };
            self.limiter.decide(&[charge], self.action).await
        })
    }
}
