//! Where the key, the limits and the cost of a rule come from.

use super::route_scope::is_route;
use crate::extract::function::ExtractFn;
use crate::extract::limits::LimitsRef;
use crate::extract::maybe_ready::{MaybeReady, ready_or_await};
use crate::extract::output::{
    Answer, CostAnswer, CostShape, KeyAnswer, KeyShape, LimitsAnswer, LimitsShape, now,
};
use crate::extract::rejection::Rejection;
use crate::key::{IntoKey, Key};
use http::request::Parts;
use limit_core::Limits;
use std::any::TypeId;
use std::future::Future;
use std::marker::PhantomData;

/// Tells whether a function, by its type, is one of this crate's key or scope functions. The modules
/// that define these functions are above this one, and hand it in.
pub(crate) type IsBuiltIn = fn(TypeId) -> bool;

/// Where the key of a rule comes from.
pub trait KeySource<S>: Send {
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

    /// Whether the key needs no function of the user's.
    fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool;

    /// The key of this request.
    fn key(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> Answer<Key, impl Future<Output = Result<Key, Rejection>> + Send>;
}

/// Where the limits of a rule come from.
pub trait LimitsSource<S>: Send {
    /// Whether the limits need no function of the user's.
    fn is_cheap(&self, is_built_in: IsBuiltIn) -> bool;

    /// The limits of this request; `None` exempts it.
    fn limits(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> Answer<Option<LimitsRef>, impl Future<Output = Result<Option<LimitsRef>, Rejection>> + Send>;
}

/// Where the cost of a rule comes from.
pub trait CostSource<S>: Send {
    /// Whether the cost needs no function of the user's.
    fn is_cheap(&self, is_built_in: IsBuiltIn) -> bool;

    /// What this request costs.
    fn cost(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> Answer<u64, impl Future<Output = Result<u64, Rejection>> + Send>;
}

/// Whether a source needs no function of the user's: it is a constant, or one of this crate's key
/// functions. That is a property of its type, not of its spelling.
pub(crate) fn is_cheap<F, S, M>(is_built_in: IsBuiltIn) -> bool
where
    F: ExtractFn<S, M>,
{
    F::IS_CONSTANT || is_built_in(typeid::of::<F>())
}

/// A function of extractors, and the shapes that inference found for it.
struct FnSource<F, M> {
    function: F,
    shape: PhantomData<fn() -> M>,
}

impl<F, M> FnSource<F, M> {
    #[inline]
    fn new(function: F) -> Self {
        let shape = PhantomData;
        Self { function, shape }
    }
}

/// A key function of extractors, or a constant in its place.
///
/// A trait of its own, so that `M` stands for two shapes and one bound says what is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a key function of extractors nor a key",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "a key is determined before the body is read, so that its arguments cannot be `Json`, `Form`, `Bytes`, `String` or another extractor of the body",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait KeyFn<S, M>: Send {
    /// Whether it needs no function of the user's.
    fn is_cheap(is_built_in: IsBuiltIn) -> bool;

    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Key, Rejection>> + Send;
}

/// A rule's key function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn key<S: Sync, F: KeyFn<S, M>, M>(function: F) -> impl KeySource<S> {
    FnSource::new(function)
}

/// A limits function of extractors, or a constant in its place.
///
/// A trait of its own, so that `M` stands for two shapes and one bound says what is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a limits function of extractors nor limits",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "a constant text becomes limits with `limits!`: write `limits!(LIMIT)`",
    note = "the limits are determined before the body is read, so that its arguments cannot be `Json`, `Form`, `Bytes`, `String` or another extractor of the body",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait LimitsFn<S, M>: Send {
    /// Whether it needs no function of the user's.
    fn is_cheap(is_built_in: IsBuiltIn) -> bool;

    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<LimitsRef>, Rejection>> + Send;
}

/// A rule's limits function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn limits<S: Sync, F: LimitsFn<S, M>, M>(function: F) -> impl LimitsSource<S> {
    FnSource::new(function)
}

/// A cost function of extractors, or a constant in its place.
///
/// A trait of its own, so that `M` stands for two shapes and one bound says what is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a cost function of extractors nor a cost",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "a cost function is called before the body is read, so that its arguments cannot be `Json`, `Form`, `Bytes`, `String` or another extractor of the body",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait CostFn<S, M>: Send {
    /// Whether it needs no function of the user's.
    fn is_cheap(is_built_in: IsBuiltIn) -> bool;

    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<u64, Rejection>> + Send;
}

/// A rule's cost function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn cost<S: Sync, F: CostFn<S, M>, M>(function: F) -> impl CostSource<S> {
    FnSource::new(function)
}

macro_rules! called {
    ($Source:ident::$method:ident $(($parts:ty), $is_route:ident)?, $Fn:ident: $Shape:ident, $Answer:ident => $Value:ty, |$answer:ident| $checked:expr) => {
        impl<S, F, M, W> $Fn<S, (M, W)> for F
        where
            S: Sync,
            F: ExtractFn<S, M> + Send,
            for<'a> F::Output<'a>: $Shape<W>,
            for<'a> F::Output<'a>: $Answer<W>,
        {
            #[inline]
            fn is_cheap(is_built_in: IsBuiltIn) -> bool {
                is_cheap::<F, S, M>(is_built_in)
            }

            #[inline]
            fn ask(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> impl Future<Output = Result<$Value, Rejection>> + Send {
                async move {
                    let arguments = ready_or_await!(F::extract(parts, state))?;
                    let $answer = ready_or_await!(self.call(parts, arguments).answer())?;
                    Ok($checked)
                }
            }
        }

        impl<S: Sync, F: $Fn<S, M>, M> $Source<S> for FnSource<F, M> {
            #[inline]
            fn is_cheap(&self $(, _: $parts)?, is_built_in: IsBuiltIn) -> bool {
                F::is_cheap(is_built_in)
            }

            $(
                #[inline]
                fn $is_route(&self) -> bool {
                    is_route::<F>()
                }
            )?

            #[inline]
            fn $method(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Rejection>> + Send> {
                MaybeReady::Pending(self.function.ask(parts, state))
            }
        }
    };
}

called!(KeySource::key(&Parts), is_route, KeyFn: KeyShape, KeyAnswer => Key, |key| key);
called!(LimitsSource::limits, LimitsFn: LimitsShape, LimitsAnswer => Option<LimitsRef>, |limits| limits);
// A computed cost of 0, such as that of an empty batch, is a request all the same.
called!(CostSource::cost, CostFn: CostShape, CostAnswer => u64, |cost| cost.max(1));

/// Several key functions, whose keys are one key together.
#[derive(Debug)]
pub struct KeyTuple<T>(pub T);

macro_rules! all {
    ($($K:ident)+) => {
        impl<S: Sync, $($K: KeySource<S>),+> KeySource<S> for KeyTuple<($($K,)+)> {
            #[allow(non_snake_case)]
            fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool {
                let Self(($($K,)+)) = self;
                $($K.is_cheap(parts, is_built_in))&&+
            }

            #[inline]
            #[allow(non_snake_case)]
            fn key(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> Answer<Key, impl Future<Output = Result<Key, Rejection>> + Send> {
                MaybeReady::Pending(async move {
                    let Self(($($K,)+)) = self;
                    // All of them are called, whichever rejects.
                    $(let $K = ready_or_await!($K.key(parts, state));)+
                    Ok(($($K?,)+).into_key())
                })
            }
        }
    };
}

all!(A);
all!(A B);
all!(A B C);
all!(A B C D);
all!(A B C D E);
all!(A B C D E F);
all!(A B C D E F G);
all!(A B C D E F G H);

/// A rule's scope function: as a key function. The result is opaque, so that what is wrong with the
/// function is said here.
#[inline]
pub fn scope<S: Sync, F: KeyFn<S, M>, M>(function: F) -> impl KeySource<S> {
    FnSource::new(function)
}

/// A key within a scope that is computed.
#[derive(Debug)]
pub struct Scoped<Scope, K> {
    scope: Scope,
    key: K,
}

/// The key of a rule whose scope is computed.
#[inline]
pub fn scoped<Scope, K>(scope: Scope, key: K) -> Scoped<Scope, K> {
    Scoped { scope, key }
}

impl<S: Sync, Scope: KeySource<S>, K: KeySource<S>> KeySource<S> for Scoped<Scope, K> {
    fn is_per_route(&self) -> bool {
        self.scope.is_route()
    }

    fn is_cheap(&self, parts: &Parts, is_built_in: IsBuiltIn) -> bool {
        self.scope.is_cheap(parts, is_built_in) && self.key.is_cheap(parts, is_built_in)
    }

    /// The key alone where the route is the scope, else the pair of both.
    #[inline]
    fn key(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> Answer<Key, impl Future<Output = Result<Key, Rejection>> + Send> {
        MaybeReady::Pending(async move {
            let is_per_route = self.scope.is_route();
            let scope = ready_or_await!(self.scope.key(parts, state));
            let key = ready_or_await!(self.key.key(parts, state));
            let (scope, key) = (scope?, key?);
            Ok(if is_per_route {
                key
            } else {
                (scope, key).into_key()
            })
        })
    }
}

impl<S: Sync> LimitsSource<S> for &'static Limits {
    fn is_cheap(&self, _: IsBuiltIn) -> bool {
        true
    }

    #[inline]
    fn limits(
        self,
        _: &mut Parts,
        _: &S,
    ) -> Answer<Option<LimitsRef>, impl Future<Output = Result<Option<LimitsRef>, Rejection>> + Send>
    {
        now(Ok(Some(LimitsRef::Static(self))))
    }
}

impl<S: Sync> CostSource<S> for u64 {
    fn is_cheap(&self, _: IsBuiltIn) -> bool {
        true
    }

    #[inline]
    fn cost(
        self,
        _: &mut Parts,
        _: &S,
    ) -> Answer<u64, impl Future<Output = Result<u64, Rejection>> + Send> {
        now(Ok(self))
    }
}
