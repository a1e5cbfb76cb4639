//! Sources of key, limits and cost that may need the arguments of the handler.
//!
//! Such a source has two steps: what needs no argument is resolved before any is extracted, and the
//! rest afterwards. A request that a function rejects is then refused before its body is read.

use super::source::{KeyTuple, Scoped, Source, scoped_key};
use crate::extract::argument_value::ArgumentValue;
use crate::extract::maybe_ready::{MaybeReady, ready_or_await};
use crate::extract::rejection::Rejection;
use crate::extract::role::{CostRole, KeyRole, LimitsRole, Role};
use crate::key::IntoKey;
use http::request::Parts;
use std::fmt;
use std::future::Future;

/// Where a rule's value of the role `R` comes from, if it may be an expression over the arguments
/// `A`.
pub trait ArgumentSource<R: Role, S, A>: Send {
    /// What is known before the arguments are extracted.
    type Early: Send;

    /// Whether the budget is one for each route.
    fn is_per_route(&self) -> bool {
        false
    }

    /// Whether it is the scope function [`route`](crate::route()).
    fn is_route(&self) -> bool {
        false
    }

    /// Resolves what needs no argument.
    fn early(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Self::Early, Rejection>> + Send;

    /// Whether the request is exempt, as far as is known without the arguments.
    fn is_exempt(_: &Self::Early) -> bool {
        false
    }

    /// The value, from the arguments.
    fn late(early: Self::Early, arguments: &A) -> ArgumentValue<'_, R>;
}

/// A source that needs no argument.
#[derive(Debug)]
pub struct Known<Src>(Src);

/// A source that needs no argument, beside others of the rule that do.
#[inline]
pub fn known<Src>(source: Src) -> Known<Src> {
    Known(source)
}

impl<R: Role, S: Sync, A, Src: Source<R, S>> ArgumentSource<R, S, A> for Known<Src> {
    type Early = R::Value;

    fn is_per_route(&self) -> bool {
        self.0.is_per_route()
    }

    fn is_route(&self) -> bool {
        self.0.is_route()
    }

    async fn early(self, parts: &mut Parts, state: &S) -> Result<R::Value, Rejection> {
        ready_or_await!(self.0.resolve(parts, state))
    }

    fn is_exempt(early: &R::Value) -> bool {
        R::exempts(early)
    }

    fn late(early: R::Value, _: &A) -> ArgumentValue<'_, R> {
        MaybeReady::Ready(Ok(early))
    }
}

/// An expression over the arguments, as a function of them.
pub struct OverArguments<F>(pub(super) F);

impl<F> fmt::Debug for OverArguments<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverArguments").finish_non_exhaustive()
    }
}

/// A key or scope over the arguments.
#[inline]
pub fn key_over<A, F>(function: F) -> OverArguments<F>
where
    F: for<'a> FnOnce(&'a A) -> ArgumentValue<'a, KeyRole>,
{
    OverArguments(function)
}

/// Limits over the arguments.
#[inline]
pub fn limits_over<A, F>(function: F) -> OverArguments<F>
where
    F: for<'a> FnOnce(&'a A) -> ArgumentValue<'a, LimitsRole>,
{
    OverArguments(function)
}

/// A cost over the arguments.
#[inline]
pub fn cost_over<A, F>(function: F) -> OverArguments<F>
where
    F: for<'a> FnOnce(&'a A) -> ArgumentValue<'a, CostRole>,
{
    OverArguments(function)
}

impl<R: Role, S: Sync, A, F> ArgumentSource<R, S, A> for OverArguments<F>
where
    F: for<'a> FnOnce(&'a A) -> ArgumentValue<'a, R> + Send,
{
    type Early = F;

    async fn early(self, _: &mut Parts, _: &S) -> Result<F, Rejection> {
        Ok(self.0)
    }

    fn late(early: F, arguments: &A) -> ArgumentValue<'_, R> {
        early(arguments)
    }
}

macro_rules! key_tuple {
    ($($K:ident)+) => {
        impl<S: Sync, A, $($K: ArgumentSource<KeyRole, S, A>),+> ArgumentSource<KeyRole, S, A>
            for KeyTuple<($($K,)+)>
        {
            type Early = ($($K::Early,)+);

            #[allow(non_snake_case)]
            async fn early(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> Result<Self::Early, Rejection> {
                let Self(($($K,)+)) = self;
                // All of them are called, whichever rejects.
                $(let $K = $K.early(parts, state).await;)+
                Ok(($($K?,)+))
            }

            #[allow(non_snake_case)]
            fn late(early: Self::Early, arguments: &A) -> ArgumentValue<'_, KeyRole> {
                let ($($K,)+) = early;
                $(let $K = $K::late($K, arguments);)+
                match ($($K,)+) {
                    ($(MaybeReady::Ready($K),)+) => {
                        let joined = || Ok(($($K?,)+).into_key());
                        MaybeReady::Ready(joined())
                    }
                    ($($K,)+) => MaybeReady::Pending(Box::pin(async move {
                        $(let $K = ready_or_await!($K);)+
                        Ok(($($K?,)+).into_key())
                    })),
                }
            }
        }
    };
}

key_tuple!(K1);
key_tuple!(K1 K2);
key_tuple!(K1 K2 K3);
key_tuple!(K1 K2 K3 K4);
key_tuple!(K1 K2 K3 K4 K5);
key_tuple!(K1 K2 K3 K4 K5 K6);
key_tuple!(K1 K2 K3 K4 K5 K6 K7);
key_tuple!(K1 K2 K3 K4 K5 K6 K7 K8);

impl<S: Sync, A, Scope, K> ArgumentSource<KeyRole, S, A> for Scoped<Scope, K>
where
    Scope: ArgumentSource<KeyRole, S, A>,
    K: ArgumentSource<KeyRole, S, A>,
{
    type Early = (bool, Scope::Early, K::Early);

    fn is_per_route(&self) -> bool {
        self.scope.is_route()
    }

    async fn early(self, parts: &mut Parts, state: &S) -> Result<Self::Early, Rejection> {
        let is_per_route = self.scope.is_route();
        let scope = self.scope.early(parts, state).await;
        let key = self.key.early(parts, state).await;
        Ok((is_per_route, scope?, key?))
    }

    fn late(early: Self::Early, arguments: &A) -> ArgumentValue<'_, KeyRole> {
        let (is_per_route, scope, key) = early;
        match (Scope::late(scope, arguments), K::late(key, arguments)) {
            (MaybeReady::Ready(scope), MaybeReady::Ready(key)) => {
                MaybeReady::Ready(scoped_key(is_per_route, scope, key))
            }
            (scope, key) => MaybeReady::Pending(Box::pin(async move {
                let scope = ready_or_await!(scope);
                scoped_key(is_per_route, scope, ready_or_await!(key))
            })),
        }
    }
}
