//! Where the key, the limits and the cost of a rule come from.

use crate::http::answer::{
    Answer, CostAnswer, CostShape, KeyAnswer, KeyShape, LimitsAnswer, LimitsShape, now,
};
use crate::http::extract_fn::ExtractFn;
use crate::http::instead::Instead;
use crate::http::soon::{Soon, answer_of};
use crate::http::spec::GivenLimits;
use crate::key::{IntoKey, Key};
use crate::limiter::Limiter;
use http::request::Parts;
use limit_core::Limits;
use std::future::Future;
use std::marker::PhantomData;

/// Where the key of a rule comes from.
pub trait KeySource<S>: Send {
    /// The key of this request; `None` exempts it.
    fn key(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> Answer<Option<Key>, impl Future<Output = Result<Option<Key>, Instead>> + Send>;
}

/// Where the limits of a rule come from.
pub trait LimitsSource<S>: Send {
    /// The limits of this request; `None` exempts it.
    fn limits(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> Answer<
        Option<GivenLimits>,
        impl Future<Output = Result<Option<GivenLimits>, Instead>> + Send,
    >;
}

/// Where the cost of a rule comes from.
pub trait CostSource<S>: Send {
    /// What this request costs.
    fn cost(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> Answer<u32, impl Future<Output = Result<u32, Instead>> + Send>;
}

/// A function of extractors, and the shapes that inference found for it.
struct Called<F, M> {
    function: F,
    shape: PhantomData<fn() -> M>,
}

impl<F, M> Called<F, M> {
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
    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<Key>, Instead>> + Send;
}

/// A rule's key function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn key<S: Sync, F: KeyFn<S, M>, M>(function: F) -> impl KeySource<S> {
    Called::new(function)
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
    /// Extracts, calls, and awaits the answer.
    fn ask(
        self,
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<GivenLimits>, Instead>> + Send;
}

/// A rule's limits function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn limits<S: Sync, F: LimitsFn<S, M>, M>(function: F) -> impl LimitsSource<S> {
    Called::new(function)
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
    /// Extracts, calls, and awaits the answer.
    fn ask(self, parts: &mut Parts, state: &S)
    -> impl Future<Output = Result<u32, Instead>> + Send;
}

/// A rule's cost function. The result is opaque, so that what is wrong with the function is said here.
#[inline]
pub fn cost<S: Sync, F: CostFn<S, M>, M>(function: F) -> impl CostSource<S> {
    Called::new(function)
}

macro_rules! called {
    ($Source:ident::$method:ident, $Fn:ident: $Shape:ident, $Answer:ident => $Value:ty) => {
        impl<S, F, M, W> $Fn<S, (M, W)> for F
        where
            S: Sync,
            F: ExtractFn<S, M> + Send,
            for<'a> F::Output<'a>: $Shape<W>,
            for<'a> F::Output<'a>: $Answer<W>,
        {
            #[inline]
            fn ask(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> impl Future<Output = Result<$Value, Instead>> + Send {
                async move {
                    let arguments = answer_of!(F::extract(parts, state))?;
                    answer_of!(self.call(parts, arguments).answer())
                }
            }
        }

        impl<S: Sync, F: $Fn<S, M>, M> $Source<S> for Called<F, M> {
            #[inline]
            fn $method(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Instead>> + Send> {
                Soon::Later(self.function.ask(parts, state))
            }
        }
    };
}

called!(KeySource::key, KeyFn: KeyShape, KeyAnswer => Option<Key>);
called!(LimitsSource::limits, LimitsFn: LimitsShape, LimitsAnswer => Option<GivenLimits>);
called!(CostSource::cost, CostFn: CostShape, CostAnswer => u32);

/// The key when the attribute names none: the limiter's.
#[derive(Debug)]
pub struct DefaultKey;

impl<S: Sync> KeySource<S> for DefaultKey {
    #[inline]
    fn key(
        self,
        parts: &mut Parts,
        _: &S,
    ) -> Answer<Option<Key>, impl Future<Output = Result<Option<Key>, Instead>> + Send> {
        Soon::Later(Limiter::default_key(parts))
    }
}

/// A rule's scope function: what it returns is a part of what identifies the budget.
#[inline]
pub fn scope<S: Sync, F: KeyFn<S, M>, M>(function: F) -> impl KeySource<S> {
    key::<S, F, M>(function)
}

/// The key of a rule whose scope is a function: what both return, the scope first.
#[inline]
pub fn scoped<A, B>(scope: A, key: B) -> All<(A, B)> {
    All((scope, key))
}

/// Several key functions, whose keys are one key together. Any `None` exempts.
#[derive(Debug)]
pub struct All<T>(pub T);

macro_rules! all {
    ($($K:ident)+) => {
        impl<S: Sync, $($K: KeySource<S>),+> KeySource<S> for All<($($K,)+)> {
            #[inline]
            #[allow(non_snake_case)]
            fn key(
                self,
                parts: &mut Parts,
                state: &S,
            ) -> Answer<Option<Key>, impl Future<Output = Result<Option<Key>, Instead>> + Send> {
                Soon::Later(async move {
                    let Self(($($K,)+)) = self;
                    $(let Some($K) = answer_of!($K.key(parts, state))? else { return Ok(None) };)+
                    Ok(Some(($($K,)+).into_key()))
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

impl<S: Sync> LimitsSource<S> for &'static Limits {
    #[inline]
    fn limits(
        self,
        _: &mut Parts,
        _: &S,
    ) -> Answer<
        Option<GivenLimits>,
        impl Future<Output = Result<Option<GivenLimits>, Instead>> + Send,
    > {
        now(Ok(Some(GivenLimits::Static(self))))
    }
}

impl<S: Sync> CostSource<S> for u32 {
    #[inline]
    fn cost(
        self,
        _: &mut Parts,
        _: &S,
    ) -> Answer<u32, impl Future<Output = Result<u32, Instead>> + Send> {
        now(Ok(self))
    }
}
