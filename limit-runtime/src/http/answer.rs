//! What key, limits and cost functions may return: the value, an `Option`, a `Result`, or a future
//! of one of these.

use axum::response::IntoResponse;
use std::future::Future;
use std::marker::PhantomData;

use super::instead::{Instead, instead};
use super::soon::{Never, Soon, answer_of};
use super::spec::GivenLimits;
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
pub(crate) type Answer<T, F> = Soon<Result<T, Instead>, F>;

/// What is there at once.
#[inline]
pub(crate) fn now<T>(answer: Result<T, Instead>) -> Answer<T, Never<Result<T, Instead>>> {
    Soon::Now(answer)
}

/// What a key function may return. `None` exempts the request from this limit.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rate-limit key",
    label = "returns `{Self}`, which is not a key",
    note = "a key is a string, an integer, an `IpAddr`, a tuple of keys, or a type of yours that implements `IntoKey`",
    note = "a key function returns a key, `Option` of one (`None`: this request is exempt), `Result` of one of these with an error that is `IntoResponse`, or a future of any of these"
)]
pub trait KeyAnswer<W>: Sized {
    /// The key, or the response that takes the handler's place.
    fn answer(self) -> Answer<Key, impl Future<Output = Result<Key, Instead>> + Send>;
}

/// What a limits function may return. `None` exempts the request from this limit.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the limits of a handler",
    label = "is `{Self}`, which holds no limits",
    note = "limits are `limits!(\"10/minute\")`, a `Limits`, a `&'static Limits`, or a function of extractors; only as the first argument of the attribute may they be a bare text, and a text that is known only at run time is parsed: `text.parse::<Limits>()?`",
    note = "a limits function returns `Limits` or `&'static Limits`, `Option` of one (`None`: this request is exempt), `Result` of one of these with an error that is `IntoResponse`, or a future of any of these"
)]
pub trait LimitsAnswer<W>: Sized {
    /// The limits, or the response that takes the handler's place.
    fn answer(
        self,
    ) -> Answer<
        Option<GivenLimits>,
        impl Future<Output = Result<Option<GivenLimits>, Instead>> + Send,
    >;
}

/// What a cost function may return.
///
/// `W` is the shape of the answer; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cost of a request",
    label = "is `{Self}`, which is not a cost",
    note = "a cost is an unsigned integer (`u32`, `usize`, …); write `10_u32` where the type cannot be inferred",
    note = "a cost function returns a cost, `Result` of one with an error that is `IntoResponse`, or a future of one of these"
)]
pub trait CostAnswer<W>: Sized {
    /// The cost, or the response that takes the handler's place.
    fn answer(self) -> Answer<u32, impl Future<Output = Result<u32, Instead>> + Send>;
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

/// Unsigned integers, and references to them. What does not fit a `u32` is more than any limit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cost of a request",
    label = "is `{Self}`, which is not a cost",
    note = "a cost is an unsigned integer (`u32`, `usize`, …), computed from the handler's arguments, which are borrowed here"
)]
pub trait IntoCost {
    /// The cost in units of the limit.
    fn into_cost(self) -> u32;
}

macro_rules! into_cost {
    ($($T:ty)*) => {$(
        impl IntoCost for $T {
            #[inline]
            fn into_cost(self) -> u32 {
                u32::try_from(self).unwrap_or(u32::MAX)
            }
        }
    )*};
}

into_cost!(u16 u32 u64 u128 usize u8);

impl IntoCost for std::num::NonZeroU32 {
    #[inline]
    fn into_cost(self) -> u32 {
        self.get()
    }
}

impl<C: IntoCost + Copy> IntoCost for &C {
    #[inline]
    fn into_cost(self) -> u32 {
        (*self).into_cost()
    }
}

macro_rules! answers {
    ($Answer:ident: $Into:ident => $Value:ty, |$it:ident| $convert:expr) => {
        #[diagnostic::do_not_recommend]
        impl<V: $Into> $Answer<Plain> for V {
            #[inline]
            fn answer(
                self,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Instead>> + Send> {
                let $it = self;
                now(Ok($convert))
            }
        }

        #[diagnostic::do_not_recommend]
        impl<V, W, E> $Answer<Fallible<W>> for Result<V, E>
        where
            V: $Answer<W>,
            E: IntoResponse,
        {
            #[inline]
            fn answer(
                self,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Instead>> + Send> {
                match self {
                    Ok(value) => value.answer(),
                    Err(error) => Soon::Now(Err(instead(error))),
                }
            }
        }

        #[diagnostic::do_not_recommend]
        impl<V, W> $Answer<Later<W>> for V
        where
            V: Future<Output: $Answer<W>> + Send,
        {
            #[inline]
            fn answer(
                self,
            ) -> Answer<$Value, impl Future<Output = Result<$Value, Instead>> + Send> {
                Soon::Later(async move { answer_of!(self.await.answer()) })
            }
        }
    };
}

macro_rules! exempting {
    ($Answer:ident: $Into:ident => $Value:ty, |$it:ident| $convert:expr) => {
        #[diagnostic::do_not_recommend]
        impl<V: $Into> $Answer<Maybe> for Option<V> {
            #[inline]
            fn answer(
                self,
            ) -> Answer<Option<$Value>, impl Future<Output = Result<Option<$Value>, Instead>> + Send> {
                now(Ok(self.map(|$it| $convert)))
            }
        }
    };
}

answers!(KeyAnswer: IntoKey => Key, |key| key.into_key());
answers!(LimitsAnswer: IntoLimits => Option<GivenLimits>, |limits| Some(limits.into_limits().into()));
exempting!(LimitsAnswer: IntoLimits => GivenLimits, |limits| limits.into_limits().into());
answers!(CostAnswer: IntoCost => u32, |cost| cost.into_cost());
