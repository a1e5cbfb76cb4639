//! Functions of extractors that may take the handler's last argument too.
//!
//! The last argument of a handler is an extractor of the head or of the body; the attribute cannot
//! see which. If it is one of the head, functions may take it as they take the others
//! ([`LastInHead`]). If it is one of the body, no function can take it ([`LastInBody`]), and the
//! other functions are called as usual. The attribute writes the policy for both cases, and
//! inference takes the one that holds.

use super::source::{FnSource, IsBuiltIn, Source};
use crate::extract::{
    maybe_ready::MaybeReady,
    output::MaybeResolved,
    rejection::not_ready,
    role::{CostRole, KeyRole, LimitsRole, Resolved, Role},
    role_fn::RoleFn,
};
use http::request::Parts;
use std::{fmt, future::Future, marker::PhantomData};

/// The last argument is extracted from the head of the request.
#[derive(Debug)]
pub struct LastInHead;

/// The last argument is extracted from the body.
#[derive(Debug)]
pub struct LastInBody;

/// A function of the role `R` in a policy for a handler that reads the body last. If its arguments
/// can be extracted without that argument, it is the receiver of [`Callable::source`]; otherwise a
/// reference to it is that of [`NotCallable::source`], which method resolution finds second.
pub struct TryFn<R, F, S> {
    function: F,
    role: PhantomData<fn() -> (R, S)>,
}

impl<R, F, S> TryFn<R, F, S> {
    #[inline]
    fn new(function: F) -> Self {
        let role = PhantomData;
        Self { function, role }
    }
}

impl<R, F, S> fmt::Debug for TryFn<R, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryFn").finish_non_exhaustive()
    }
}

/// A key or scope function of extractors, or a constant in its place.
#[inline]
pub fn try_key<S, F>(function: F) -> TryFn<KeyRole, F, S> {
    TryFn::new(function)
}

/// A limits function of extractors, or a constant in its place.
#[inline]
pub fn try_limits<S, F>(function: F) -> TryFn<LimitsRole, F, S> {
    TryFn::new(function)
}

/// A cost function of extractors, or a constant in its place.
#[inline]
pub fn try_cost<S, F>(function: F) -> TryFn<CostRole, F, S> {
    TryFn::new(function)
}

/// A function that can be called without the last argument.
pub trait Callable<R: Role, S, M> {
    /// The function as a source.
    fn source(self) -> impl Source<R, S>;
}

impl<R: Role, S: Sync, F: RoleFn<R, S, M>, M> Callable<R, S, M> for TryFn<R, F, S> {
    #[inline]
    fn source(self) -> impl Source<R, S> {
        FnSource::<F, M>::new(self.function)
    }
}

/// A function that cannot.
pub trait NotCallable<F> {
    /// A source that must not be used.
    fn source(self) -> NeverCalled<F>;
}

impl<R, F, S> NotCallable<F> for &TryFn<R, F, S> {
    fn source(self) -> NeverCalled<F> {
        NeverCalled(PhantomData)
    }
}

/// What the function `F` gives when it cannot be called. That a handler uses it is a compile error.
pub struct NeverCalled<F>(PhantomData<fn() -> F>);

impl<F> NeverCalled<F> {
    // Of a type with parameters, so that it is evaluated only where a handler uses it.
    const CHECK: () = panic!(
        "a key, limits, scope or cost function takes the last argument of the handler, which reads the body: these \
         functions are called before the body is read"
    );
}

impl<F> fmt::Debug for NeverCalled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeverCalled").finish_non_exhaustive()
    }
}

impl<R: Role, S: Sync, F> Source<R, S> for NeverCalled<F> {
    const IS_ALWAYS_READY: bool = false;

    fn is_cheap(&self, _: &Parts, _: IsBuiltIn) -> bool {
        false
    }

    fn resolve_now(self, _: &Parts) -> Resolved<R> {
        let () = Self::CHECK;
        Err(not_ready())
    }

    fn resolve(
        self,
        _: &mut Parts,
        _: &S,
    ) -> MaybeResolved<R, impl Future<Output = Resolved<R>> + Send> {
        let () = Self::CHECK;
        MaybeReady::Pending(std::future::pending())
    }
}
