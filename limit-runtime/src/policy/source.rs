//! Where the key, the limits and the cost of a rule come from.

use super::route_scope::is_route;
use crate::extract::limits::{LimitsRef, LiteralLimits};
use crate::extract::maybe_ready::{MaybeReady, ready_or_await};
use crate::extract::output::{MaybeResolved, ready};
use crate::extract::role::{CostRole, KeyRole, LimitsRole, Resolved, Role};
use crate::extract::role_fn::{CostFn, KeyFn, LimitsFn, RoleFn};
use crate::key::IntoKey;
use http::request::Parts;
use std::any::TypeId;
use std::future::Future;
use std::marker::PhantomData;

/// Tells whether a function, by its type, is one of this crate's key or scope functions. The
/// modules that define these functions import this one, and pass it in.
pub(crate) type IsBuiltIn = fn(TypeId) -> bool;

/// Where a rule's value of the role `R` comes from: a function of extractors ([`FnSource`]), a
/// constant, or a key of several parts.
pub trait Source<R: Role, S>: Send {
    /// Whether [`is_ready`](Self::is_ready) holds for every request.
    const IS_ALWAYS_READY: bool;

    /// Whether [`resolve_now`](Self::resolve_now) can be called for this request.
    #[inline]
    fn is_ready(&self, _: &Parts) -> bool {
        Self::IS_ALWAYS_READY
    }

    /// Whether the budget is one for each route.
    #[inline]
    fn is_per_route(&self) -> bool {
        false
    }

    /// Whether it is the scope function [`route`](crate::route()).
    #[inline]
    fn is_route(&self) -> bool {
        false
    }

    /// Whether the value needs no function of the application.
    fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool;

    /// The value for this request, of a source that is ready.
    fn resolve_now(self, parts: &Parts) -> Resolved<R>;

    /// The value for this request.
    fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> MaybeResolved<R, impl Future<Output = Resolved<R>> + Send>;
}

/// A function of extractors, and the form that inference found for it.
#[derive(Debug)]
pub(crate) struct FnSource<F, M> {
    function: F,
    form: PhantomData<fn() -> M>,
}

impl<F, M> FnSource<F, M> {
    #[inline]
    pub(crate) fn new(function: F) -> Self {
        let form = PhantomData;
        Self { function, form }
    }
}

impl<R: Role, S: Sync, F: RoleFn<R, S, M>, M> Source<R, S> for FnSource<F, M> {
    const IS_ALWAYS_READY: bool = F::IS_READY;

    #[inline]
    fn is_route(&self) -> bool {
        is_route::<F>()
    }

    /// A constant and this crate's key functions are cheap. That is a property of the type, not of
    /// its spelling.
    #[inline]
    fn is_cheap(&self, _: &Parts, is_built_in: IsBuiltIn) -> bool {
        F::IS_CONSTANT || is_built_in(typeid::of::<F>())
    }

    #[inline]
    fn resolve_now(self, parts: &Parts) -> Resolved<R> {
        self.function.resolve_now(parts).map(R::computed)
    }

    #[inline]
    fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> MaybeResolved<R, impl Future<Output = Resolved<R>> + Send> {
        MaybeReady::Pending(async move {
            let value = self.function.resolve(parts, state).await?;
            Ok(R::computed(value))
        })
    }
}

// The results of the following functions are opaque, so that the compiler reports a wrong function
// at their call, by the bound of its role.

/// A rule's key function.
#[inline]
pub fn key<S: Sync, F: KeyFn<S, M>, M>(function: F) -> impl Source<KeyRole, S> {
    FnSource::new(function)
}

/// A rule's scope function: as a key function.
#[inline]
pub fn scope<S: Sync, F: KeyFn<S, M>, M>(function: F) -> impl Source<KeyRole, S> {
    FnSource::new(function)
}

/// A rule's limits function.
#[inline]
pub fn limits<S: Sync, F: LimitsFn<S, M>, M>(function: F) -> impl Source<LimitsRole, S> {
    FnSource::new(function)
}

/// A rule's cost function.
#[inline]
pub fn cost<S: Sync, F: CostFn<S, M>, M>(function: F) -> impl Source<CostRole, S> {
    FnSource::new(function)
}

impl<S: Sync> Source<LimitsRole, S> for &'static LiteralLimits {
    const IS_ALWAYS_READY: bool = true;

    fn is_cheap(&self, _: &Parts, _: IsBuiltIn) -> bool {
        true
    }

    #[inline]
    fn resolve_now(self, _: &Parts) -> Resolved<LimitsRole> {
        Ok(Some(LimitsRef::Literal(self)))
    }

    #[inline]
    fn resolve(
        self,
        _: &mut Parts,
        _: &S,
    ) -> MaybeResolved<LimitsRole, impl Future<Output = Resolved<LimitsRole>> + Send> {
        ready::<LimitsRole>(Some(LimitsRef::Literal(self)))
    }
}

impl<S: Sync> Source<CostRole, S> for u64 {
    const IS_ALWAYS_READY: bool = true;

    fn is_cheap(&self, _: &Parts, _: IsBuiltIn) -> bool {
        true
    }

    #[inline]
    fn resolve_now(self, _: &Parts) -> Resolved<CostRole> {
        Ok(self)
    }

    #[inline]
    fn resolve(
        self,
        _: &mut Parts,
        _: &S,
    ) -> MaybeResolved<CostRole, impl Future<Output = Resolved<CostRole>> + Send> {
        ready::<CostRole>(self)
    }
}

/// Several key functions, combined into one key.
#[derive(Debug)]
pub struct KeyTuple<T>(pub T);

macro_rules! key_tuple {
    ($($K:ident)+) => {
        impl<S: Sync, $($K: Source<KeyRole, S>),+> Source<KeyRole, S> for KeyTuple<($($K,)+)> {
            const IS_ALWAYS_READY: bool = $($K::IS_ALWAYS_READY)&&+;

            #[inline]
            #[allow(non_snake_case)]
            fn is_ready(&self, parts: &Parts) -> bool {
                let Self(($($K,)+)) = self;
                $($K.is_ready(parts))&&+
            }

            #[allow(non_snake_case)]
            fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool {
                let Self(($($K,)+)) = self;
                $($K.is_cheap(parts, is_built_in))&&+
            }

            #[inline]
            #[allow(non_snake_case)]
            fn resolve_now(self, parts: &Parts) -> Resolved<KeyRole> {
                let Self(($($K,)+)) = self;
                // All of them are called, whichever rejects.
                $(let $K = $K.resolve_now(parts);)+
                Ok(($($K?,)+).into_key())
            }

            #[inline]
            #[allow(non_snake_case)]
            fn resolve(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> MaybeResolved<KeyRole, impl Future<Output = Resolved<KeyRole>> + Send> {
                MaybeReady::Pending(async move {
                    let Self(($($K,)+)) = self;
                    // All of them are called, whichever rejects.
                    $(let $K = ready_or_await!($K.resolve(parts, state));)+
                    Ok(($($K?,)+).into_key())
                })
            }
        }
    };
}

key_tuple!(A);
key_tuple!(A B);
key_tuple!(A B C);
key_tuple!(A B C D);
key_tuple!(A B C D E);
key_tuple!(A B C D E F);
key_tuple!(A B C D E F G);
key_tuple!(A B C D E F G H);

/// A key within a scope that is computed.
#[derive(Debug)]
pub struct Scoped<Scope, K> {
    pub(super) scope: Scope,
    pub(super) key: K,
}

/// The key of a rule whose scope is computed.
#[inline]
pub fn scoped<Scope, K>(scope: Scope, key: K) -> Scoped<Scope, K> {
    Scoped { scope, key }
}

impl<S: Sync, Scope: Source<KeyRole, S>, K: Source<KeyRole, S>> Source<KeyRole, S>
    for Scoped<Scope, K>
{
    const IS_ALWAYS_READY: bool = Scope::IS_ALWAYS_READY && K::IS_ALWAYS_READY;

    #[inline]
    fn is_ready(&self, parts: &Parts) -> bool {
        self.scope.is_ready(parts) && self.key.is_ready(parts)
    }

    fn is_per_route(&self) -> bool {
        self.scope.is_route()
    }

    fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool {
        self.scope.is_cheap(parts, is_built_in) && self.key.is_cheap(parts, is_built_in)
    }

    #[inline]
    fn resolve_now(self, parts: &Parts) -> Resolved<KeyRole> {
        let is_per_route = self.scope.is_route();
        let scope = self.scope.resolve_now(parts);
        let key = self.key.resolve_now(parts);
        scoped_key(is_per_route, scope, key)
    }

    #[inline]
    fn resolve(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> MaybeResolved<KeyRole, impl Future<Output = Resolved<KeyRole>> + Send> {
        MaybeReady::Pending(async move {
            let is_per_route = self.scope.is_route();
            let scope = ready_or_await!(self.scope.resolve(parts, state));
            let key = ready_or_await!(self.key.resolve(parts, state));
            scoped_key(is_per_route, scope, key)
        })
    }
}

/// The key alone where the route is the scope, else the pair of both.
#[inline]
pub(super) fn scoped_key(
    is_per_route: bool,
    scope: Resolved<KeyRole>,
    key: Resolved<KeyRole>,
) -> Resolved<KeyRole> {
    let (scope, key) = (scope?, key?);
    Ok(if is_per_route {
        key
    } else {
        (scope, key).into_key()
    })
}
