//! Plain functions of extractors, called with what they ask for.
//!
//! A key, limits or cost function is any function or closure of 0 to 8 arguments. Each argument is
//! an extractor ([`FromRequestParts`]); one of them, in any place, may instead be borrowed from the
//! request head: `&Parts`, `&HeaderMap`, `&Method`, `&Uri` or `&Extensions`. What it may return is
//! in [`output`](super::output).

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri};
use std::future::Future;
use std::marker::PhantomData;
use std::num::NonZero;

use super::maybe_ready::{MaybeReady, NoFuture};
use super::rejection::{Rejection, rejection};
use crate::key::IntoKey;
use limit_core::Limits;

/// A function of extractors, or a constant in the place of one.
///
/// `M` is the form of its arguments; it is always inferred. The compiler's messages are those of
/// the traits in [`role_fn`](super::role_fn), which are the bounds that users meet.
pub trait ExtractFn<S, M>: Sized {
    /// Whether it is no function, but a constant.
    const IS_CONSTANT: bool = false;

    /// Whether no argument has to be extracted.
    const HAS_NO_EXTRACTOR: bool;

    /// The extracted arguments.
    type Arguments: Send;
    /// What it returns, possibly borrowed from the request head.
    type Output<'a>;

    /// Extracts the arguments, or returns the rejection of the first one that fails.
    fn extract(
        parts: &mut Parts,
        state: &S,
    ) -> MaybeReady<
        Extracted<Self::Arguments>,
        impl Future<Output = Extracted<Self::Arguments>> + Send,
    >;

    /// The arguments of a function without extractors, else `None`.
    fn no_arguments() -> Option<Self::Arguments>;

    /// Calls the function.
    fn call<'a>(self, parts: &'a Parts, arguments: Self::Arguments) -> Self::Output<'a>;
}

/// The extracted arguments, or the rejection of the first that failed.
type Extracted<T> = Result<T, Rejection>;

/// Form: every argument is an extractor.
#[derive(Debug)]
pub struct Owned<T, O>(PhantomData<T>, PhantomData<O>);

/// Form: `B` is borrowed, between the extractors `Before` and `After`.
#[derive(Debug)]
pub struct Borrowed<Before, B, After>(PhantomData<Before>, PhantomData<B>, PhantomData<After>);

/// Form: no function, but a constant key.
#[derive(Debug)]
pub struct ConstantKey;

/// Form: no function, but constant limits.
#[derive(Debug)]
pub struct ConstantLimits;

/// Form: no function, but a constant cost that is not also a key.
#[derive(Debug)]
pub struct ConstantCost;

/// What a function may borrow from the request head.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be borrowed from a request",
    note = "`&Parts`, `&HeaderMap`, `&Method`, `&Uri` and `&Extensions` can; anything else is an extractor, by value"
)]
pub trait InParts: 'static {
    /// The part of the head that this is.
    fn of(parts: &Parts) -> &Self;
}

macro_rules! in_parts {
    ($($type:ty = |$parts:ident| $part:expr;)*) => {$(
        impl InParts for $type {
            #[inline]
            fn of($parts: &Parts) -> &Self {
                $part
            }
        }
    )*};
}

in_parts! {
    Parts = |parts| parts;
    HeaderMap = |parts| &parts.headers;
    Method = |parts| &parts.method;
    Uri = |parts| &parts.uri;
    Extensions = |parts| &parts.extensions;
}

/// `FnOnce` over a tuple of arguments, so that its output has a name for every lifetime.
pub trait Apply<Arguments> {
    /// What the function returns.
    type Output;

    /// Calls it.
    fn apply(self, arguments: Arguments) -> Self::Output;
}

macro_rules! apply {
    ($($T:ident),*) => {
        #[diagnostic::do_not_recommend]
        impl<F, O, $($T),*> Apply<($($T,)*)> for F
        where
            F: FnOnce($($T),*) -> O,
        {
            type Output = O;

            #[inline]
            #[allow(non_snake_case)]
            fn apply(self, ($($T,)*): ($($T,)*)) -> O {
                self($($T),*)
            }
        }
    };
}

macro_rules! extract_body {
    ($parts:ident, $state:ident,) => {{
        let _ = ($parts, $state);
        MaybeReady::<_, NoFuture<_>>::Ready(Ok(()))
    }};
    ($parts:ident, $state:ident, $($T:ident)+) => {
        MaybeReady::Pending(async move {
            Ok(($(
                $T::from_request_parts($parts, $state)
                    .await
                    .map_err(rejection)?,
            )+))
        })
    };
}

macro_rules! no_extractor {
    () => {
        const HAS_NO_EXTRACTOR: bool = true;

        #[inline]
        fn no_arguments() -> Option<Self::Arguments> {
            Some(())
        }
    };
    ($($T:ident)+) => {
        const HAS_NO_EXTRACTOR: bool = false;

        #[inline]
        fn no_arguments() -> Option<Self::Arguments> {
            None
        }
    };
}

// `F: FnOnce(…) -> O` and not `F: Apply<…>`: this way, the compiler infers the arguments' types
// before it checks that they are extractors, and can tell this form from the borrowing ones.
macro_rules! owned {
    ($($T:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<S, F, O, $($T),*> ExtractFn<S, Owned<($($T,)*), O>> for F
        where
            S: Send + Sync,
            F: FnOnce($($T),*) -> O,
            $($T: FromRequestParts<S> + Send,)*
        {
            type Arguments = ($($T,)*);
            type Output<'a> = O;

            no_extractor!($($T)*);

            #[inline]
            fn extract(
                parts: &mut Parts,
                state: &S,
            ) -> MaybeReady<Extracted<Self::Arguments>, impl Future<Output = Extracted<Self::Arguments>> + Send> {
                extract_body!(parts, state, $($T)*)
            }

            #[inline]
            #[allow(non_snake_case)]
            fn call(self, _: &Parts, ($($T,)*): Self::Arguments) -> O {
                self($($T),*)
            }
        }
    };
}

macro_rules! borrowed {
    ($($Before:ident)* ; $($After:ident)*) => {
        borrowed!(@one $($Before)*; $($After)*);
        borrowed!(@next $($Before)*; $($After)*);
    };
    (@next $($Before:ident)* ;) => {};
    (@next $($Before:ident)* ; $Next:ident $($After:ident)*) => {
        borrowed!($($Before)* $Next; $($After)*);
    };
    (@one $($Before:ident)* ; $($After:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<S, F, Part, $($Before,)* $($After,)*>
            ExtractFn<S, Borrowed<($($Before,)*), Part, ($($After,)*)>> for F
        where
            S: Send + Sync,
            Part: InParts,
            F: for<'a> Apply<($($Before,)* &'a Part, $($After,)*)>,
            $($Before: FromRequestParts<S> + Send,)*
            $($After: FromRequestParts<S> + Send,)*
        {
            type Arguments = ($($Before,)* $($After,)*);
            type Output<'a> = <F as Apply<($($Before,)* &'a Part, $($After,)*)>>::Output;

            no_extractor!($($Before)* $($After)*);

            #[inline]
            fn extract(
                parts: &mut Parts,
                state: &S,
            ) -> MaybeReady<Extracted<Self::Arguments>, impl Future<Output = Extracted<Self::Arguments>> + Send> {
                extract_body!(parts, state, $($Before)* $($After)*)
            }

            #[inline]
            #[allow(non_snake_case)]
            fn call<'a>(
                self,
                parts: &'a Parts,
                ($($Before,)* $($After,)*): Self::Arguments,
            ) -> Self::Output<'a> {
                self.apply(($($Before,)* Part::of(parts), $($After,)*))
            }
        }
    };
}

macro_rules! arities {
    () => { arities!(@one); };
    ($First:ident $($T:ident)*) => { arities!(@one $First $($T)*); arities!($($T)*); };
    (@one $($T:ident)*) => {
        apply!($($T),*);
        owned!($($T)*);
    };
}

macro_rules! borrowing_arities {
    () => { borrowed!(;); };
    ($First:ident $($T:ident)*) => { borrowed!(; $First $($T)*); borrowing_arities!($($T)*); };
}

arities!(A B C D E G H I);
borrowing_arities!(A B C D E G H);

macro_rules! constant {
    ($Form:ident, [$($generics:tt)*] $T:ty) => {
        #[diagnostic::do_not_recommend]
        impl<S, $($generics)*> ExtractFn<S, $Form> for $T {
            const IS_CONSTANT: bool = true;

            type Arguments = ();
            type Output<'a> = Self;

            no_extractor!();

            #[inline]
            fn extract(
                _: &mut Parts,
                _: &S,
            ) -> MaybeReady<Extracted<()>, impl Future<Output = Extracted<()>> + Send> {
                MaybeReady::<_, NoFuture<_>>::Ready(Ok(()))
            }

            #[inline]
            fn call(self, _: &Parts, (): ()) -> Self {
                self
            }
        }
    };
}

constant!(ConstantKey, [K: IntoKey] K);
constant!(ConstantLimits, [] Limits);
constant!(ConstantLimits, [] &'static Limits);

macro_rules! constant_costs {
    ($($T:ty)*) => {$(
        constant!(ConstantCost, [] NonZero<$T>);
    )*};
}

constant_costs!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
