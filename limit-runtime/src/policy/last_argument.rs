//! Functions of extractors that may take the handler's last argument too.
//!
//! The last argument of a handler is an extractor of the head or of the body, which only its type knows. If it is one
//! of the head, functions may take it as they may take the others, and the policy asks for no more than that it is
//! ([`LastInHead`]). If it is one of the body, no function can take it ([`LastInBody`]); the other functions are
//! called as ever. The attribute writes the policy for both cases, and inference takes the one that holds.

use super::source::{
    self, CostFn, CostSource, IsBuiltIn, KeyFn, KeySource, LimitsFn, LimitsSource,
};
use crate::extract::{
    limits::LimitsRef, maybe_ready::MaybeReady, output::Answer, rejection::Rejection,
};
use crate::key::Key;
use http::request::Parts;
use std::{fmt, future::Future, marker::PhantomData};

/// The last argument is extracted from the head of the request.
#[derive(Debug)]
pub struct LastInHead;

/// The last argument is extracted from the body.
#[derive(Debug)]
pub struct LastInBody;

/// A function in a policy for a handler that reads the body last. If its arguments can be extracted without that
/// argument, it is the receiver of `Callable::source`; otherwise a reference to it is that of `NotCallable::source`,
/// which method resolution finds second.
pub struct TryFn<F, S> {
    function: F,
    state: PhantomData<fn() -> S>,
}

impl<F, S> TryFn<F, S> {
    /// A function of extractors, or a constant in its place.
    #[inline]
    pub fn new(function: F) -> Self {
        let state = PhantomData;
        Self { function, state }
    }
}

impl<F, S> fmt::Debug for TryFn<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryFn").finish_non_exhaustive()
    }
}

/// What the function `F` gives when it cannot be called. That a handler uses it is a compile error.
pub struct NeverAsked<F>(PhantomData<fn() -> F>);

impl<F> NeverAsked<F> {
    // Of a type with parameters, so that it is evaluated only where a handler uses it.
    const CHECK: () = panic!(
        "a key, limits, scope or cost function takes the last argument of the handler, which reads the body: these \
         functions are called before the body is read"
    );
}

impl<F> fmt::Debug for NeverAsked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeverAsked").finish_non_exhaustive()
    }
}

macro_rules! role {
    ($(#[$doc:meta])* $module:ident, $method:ident $(($parts:ty))?: $Fn:ident => $Source:ident -> $Value:ty) => {
        $(#[$doc])*
        pub mod $module {
            use super::{$Fn, $Source, NeverAsked, TryFn, source};

            /// A function that can be called without the last argument.
            pub trait Callable<S, M> {
                /// The function as a source.
                fn source(self) -> impl $Source<S>;
            }

            impl<S: Sync, F: $Fn<S, M>, M> Callable<S, M> for TryFn<F, S> {
                #[inline]
                fn source(self) -> impl $Source<S> {
                    source::$method::<S, F, M>(self.function)
                }
            }

            /// A function that cannot.
            pub trait NotCallable<F> {
                /// A source that must not be used.
                fn source(self) -> NeverAsked<F>;
            }

            impl<S, F> NotCallable<F> for &TryFn<F, S> {
                fn source(self) -> NeverAsked<F> {
                    NeverAsked(std::marker::PhantomData)
                }
            }
        }

        impl<S: Sync, F> $Source<S> for NeverAsked<F> {
            fn is_cheap(&self $(, _: $parts)?, _: IsBuiltIn) -> bool {
                false
            }

            fn $method(
                self,
                _: &mut Parts,
                _: &S,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Rejection>> + Send> {
                let () = Self::CHECK;
                MaybeReady::Pending(std::future::pending())
            }
        }
    };
}

role! {
    /// For key and scope functions.
    try_key, key(&Parts): KeyFn => KeySource -> Key
}
role! {
    /// For limits functions.
    try_limits, limits: LimitsFn => LimitsSource -> Option<LimitsRef>
}
role! {
    /// For cost functions.
    try_cost, cost: CostFn => CostSource -> u64
}
