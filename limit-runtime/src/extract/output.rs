//! What key, limits and cost functions may return: the value, a `Result` of it, or a future of one of
//! these. Limits functions may also return an `Option`: `None` exempts the request.
//!
//! Each role has two traits. `KeyShape` says that a value has the right form, and is what inference
//! goes by; `KeyAnswer` converts it, and asks futures to be `Send`. Since the form is known by then, a
//! future that is not `Send` is reported as such, at the `await` that is the reason.

use axum::response::IntoResponse;
use std::future::Future;
use std::marker::PhantomData;
use std::num::NonZero;

use super::limits::LimitsRef;
use super::maybe_ready::{MaybeReady, NoFuture, ready_or_await};
use super::rejection::{Rejection, rejection};
use crate::key::{IntoKey, Key};
use limit_core::Limits;

/// Shape: the value itself.
#[derive(Debug)]
pub struct Plain;
/// Shape: `Option` of the value.
#[derive(Debug)]
pub struct Maybe;
/// Shape: `Result` of `W`.
#[derive(Debug)]
pub struct Fallible<W>(PhantomData<fn() -> W>);
/// Shape: a future of `W`.
#[derive(Debug)]
pub struct Later<W>(PhantomData<fn() -> W>);

/// What a function answered, or the future of it.
pub(crate) type Answer<T, F> = MaybeReady<Result<T, Rejection>, F>;

/// What is there at once.
#[inline]
pub(crate) fn now<T>(answer: Result<T, Rejection>) -> Answer<T, NoFuture<Result<T, Rejection>>> {
    MaybeReady::Ready(answer)
}

/// The form of what a key function returns: a key, a `Result` of one, or a future of one of these.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rate-limit key",
    label = "returns `{Self}`, which is not a key",
    note = "a key is a string, an integer, an `IpAddr`, a tuple of keys, or a type of yours that implements `IntoKey`; a key function returns a key, `Result` of one with an error that is `IntoResponse`, or a future of one of these",
    note = "an `Option` is not a key: where a key is missing, return `Result<_, StatusCode>`, as in `.ok_or(StatusCode::UNAUTHORIZED)`; to exempt a request, return `None` from the limits function"
)]
pub trait KeyShape<W> {}

/// What a key function may return.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rate-limit key",
    label = "returns `{Self}`, which is not a key",
    note = "a key is a string, an integer, an `IpAddr`, a tuple of keys, or a type of yours that implements `IntoKey`; a key function returns a key, `Result` of one with an error that is `IntoResponse`, or a future of one of these that is `Send`",
    note = "an `Option` is not a key: where a key is missing, return `Result<_, StatusCode>`, as in `.ok_or(StatusCode::UNAUTHORIZED)`; to exempt a request, return `None` from the limits function"
)]
pub trait KeyAnswer<W>: KeyShape<W> + Sized {
    /// The key, or the response that takes the handler's place.
    fn answer(self) -> Answer<Key, impl Future<Output = Result<Key, Rejection>> + Send>;
}

/// The form of what a limits function returns: limits, an `Option` or `Result` of them, or a future of
/// one of these.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the limits of a handler",
    label = "is `{Self}`, which holds no limits",
    note = "limits are `limits!(\"10/minute\")`, a `Limits`, a `&'static Limits`, or a function of extractors; a constant text becomes limits with `limits!(TEXT)`, one that is known only at run time with `text.parse::<Limits>()?`",
    note = "a limits function returns `Limits` or `&'static Limits`, `Option` of one (`None`: this request is exempt), `Result` of one of these with an error that is `IntoResponse`, or a future of any of these"
)]
pub trait LimitsShape<W> {}

/// What a limits function may return. `None` exempts the request from this limit.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the limits of a handler",
    label = "is `{Self}`, which holds no limits",
    note = "limits are `limits!(\"10/minute\")`, a `Limits`, a `&'static Limits`, or a function of extractors; a constant text becomes limits with `limits!(TEXT)`, one that is known only at run time with `text.parse::<Limits>()?`",
    note = "a limits function returns `Limits` or `&'static Limits`, `Option` of one (`None`: this request is exempt), `Result` of one of these with an error that is `IntoResponse`, or a future of any of these that is `Send`"
)]
pub trait LimitsAnswer<W>: LimitsShape<W> + Sized {
    /// The limits, or the response that takes the handler's place.
    fn answer(
        self,
    ) -> Answer<Option<LimitsRef>, impl Future<Output = Result<Option<LimitsRef>, Rejection>> + Send>;
}

/// The form of what a cost function returns: a cost, a `Result` of one, or a future of one of these.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cost of a request",
    label = "is `{Self}`, which is not a cost",
    note = "a cost is an integer (`u32`, `usize`, `i64`, …); below 1 it counts as 1",
    note = "a cost function returns a cost, `Result` of one with an error that is `IntoResponse`, or a future of one of these"
)]
pub trait CostShape<W> {}

/// What a cost function may return.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cost of a request",
    label = "is `{Self}`, which is not a cost",
    note = "a cost is an integer (`u32`, `usize`, `i64`, …); below 1 it counts as 1",
    note = "a cost function returns a cost, `Result` of one with an error that is `IntoResponse`, or a future of one of these that is `Send`"
)]
pub trait CostAnswer<W>: CostShape<W> + Sized {
    /// The cost, or the response that takes the handler's place.
    fn answer(self) -> Answer<u64, impl Future<Output = Result<u64, Rejection>> + Send>;
}

/// Limits by value or by reference.
pub trait IntoLimits {
    /// A copy of them.
    fn into_limits(self) -> Limits;
}

impl IntoLimits for Limits {
    #[inline]
    fn into_limits(self) -> Limits {
        self
    }
}

impl IntoLimits for &Limits {
    #[inline]
    fn into_limits(self) -> Limits {
        *self
    }
}

/// Integers, and references to them. What is negative is 0, which counts as 1 where the cost is
/// computed. What does not fit a `u64` is more than any limit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cost of a request",
    label = "is `{Self}`, which is not a cost",
    note = "a cost is an integer (`u32`, `usize`, `i64`, …), computed from the handler's arguments, which are borrowed here"
)]
pub trait IntoCost {
    /// The cost in units of the limit.
    fn into_cost(self) -> u64;
}

macro_rules! into_cost {
    ($($T:ty)*) => {$(
        impl IntoCost for $T {
            #[inline]
            fn into_cost(self) -> u64 {
                u64::try_from(self.max(0)).unwrap_or(u64::MAX)
            }
        }
    )*};
}

into_cost!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

macro_rules! nonzero_into_cost {
    ($($T:ty)*) => {$(
        impl IntoCost for NonZero<$T> {
            #[inline]
            fn into_cost(self) -> u64 {
                self.get().into_cost()
            }
        }
    )*};
}

nonzero_into_cost!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

impl<C: IntoCost + Copy> IntoCost for &C {
    #[inline]
    fn into_cost(self) -> u64 {
        (*self).into_cost()
    }
}

macro_rules! answers {
    ($Answer:ident, $Shape:ident: $Into:ident => $Value:ty, |$it:ident| $convert:expr) => {
        #[diagnostic::do_not_recommend]
        impl<V: $Into> $Shape<Plain> for V {}

        #[diagnostic::do_not_recommend]
        impl<V: $Into> $Answer<Plain> for V {
            #[inline]
            fn answer(
                self,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Rejection>> + Send> {
                let $it = self;
                now(Ok($convert))
            }
        }

        #[diagnostic::do_not_recommend]
        impl<V: $Shape<W>, W, E: IntoResponse> $Shape<Fallible<W>> for Result<V, E> {}

        #[diagnostic::do_not_recommend]
        impl<V, W, E> $Answer<Fallible<W>> for Result<V, E>
        where
            V: $Answer<W>,
            E: IntoResponse,
        {
            #[inline]
            fn answer(
                self,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Rejection>> + Send> {
                match self {
                    Ok(value) => value.answer(),
                    Err(error) => MaybeReady::Ready(Err(rejection(error))),
                }
            }
        }

        #[diagnostic::do_not_recommend]
        impl<V: Future<Output: $Shape<W>>, W> $Shape<Later<W>> for V {}

        // Recommended: a future that is not `Send` is reported as such, with its `await`.
        impl<V, W> $Answer<Later<W>> for V
        where
            V: Future<Output: $Answer<W>> + Send,
        {
            #[inline]
            fn answer(
                self,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Rejection>> + Send> {
                MaybeReady::Pending(async move { ready_or_await!(self.await.answer()) })
            }
        }
    };
}

answers!(KeyAnswer, KeyShape: IntoKey => Key, |key| key.into_key());
answers!(LimitsAnswer, LimitsShape: IntoLimits => Option<LimitsRef>, |limits| Some(limits.into_limits().into()));
answers!(CostAnswer, CostShape: IntoCost => u64, |cost| cost.into_cost());

#[diagnostic::do_not_recommend]
impl<V: IntoLimits> LimitsShape<Maybe> for Option<V> {}

#[diagnostic::do_not_recommend]
impl<V: IntoLimits> LimitsAnswer<Maybe> for Option<V> {
    #[inline]
    fn answer(
        self,
    ) -> Answer<Option<LimitsRef>, impl Future<Output = Result<Option<LimitsRef>, Rejection>> + Send>
    {
        now(Ok(self.map(|limits| limits.into_limits().into())))
    }
}
