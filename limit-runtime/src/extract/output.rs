//! What a function of extractors may return: a value that fits its role, a `Result` of it, or a
//! future of one of these.
//!
//! [`Output`] names the form of a return type, and is what inference goes by. [`Form`] converts it,
//! and asks futures to be `Send`: the form is known by then, so that a future that is not `Send` is
//! reported as such, at the `await` that is the reason.

use axum::response::IntoResponse;
use std::future::Future;
use std::marker::PhantomData;

use super::maybe_ready::{MaybeReady, NoFuture, ready_or_await};
use super::rejection::rejection;
use super::role::{CostRole, IntoValue, KeyRole, LimitsRole, Resolved, Role};

/// Form: the value itself.
#[derive(Debug)]
pub struct Plain;
/// Form: `Result` of `W`.
#[derive(Debug)]
pub struct Fallible<W>(PhantomData<fn() -> W>);
/// Form: a future of `W`.
#[derive(Debug)]
pub struct Later<W>(PhantomData<fn() -> W>);

/// What a function of the role `R` may return.
///
/// `W` is the form; it is always inferred.
pub trait Output<R, W> {}

#[diagnostic::do_not_recommend]
impl<V: IntoValue<R>, R: Role> Output<R, Plain> for V {}

#[diagnostic::do_not_recommend]
impl<V: Output<R, W>, E: IntoResponse, R, W> Output<R, Fallible<W>> for Result<V, E> {}

#[diagnostic::do_not_recommend]
impl<V: Future<Output: Output<R, W>>, R, W> Output<R, Later<W>> for V {}

/// The value of a role, or a future of it.
pub(crate) type MaybeResolved<R, F> = MaybeReady<Resolved<R>, F>;

/// The value, for sources that know it without the request.
#[inline]
pub(crate) fn ready<R: Role>(value: R::Value) -> MaybeResolved<R, NoFuture<Resolved<R>>> {
    MaybeReady::Ready(Ok(value))
}

/// The form of a return type `V`, with its conversion to the value of the role `R`.
///
/// A trait of the form and not of `V`: while the form is not known, the compiler has nothing to say
/// about this bound, and reports only that `V` is no [`Output`].
pub trait Form<R: Role, V> {
    /// Whether the value is ready without awaiting anything.
    const IS_READY: bool;

    /// The value, or the response that takes the place of the handler's.
    fn resolve(output: V) -> MaybeResolved<R, impl Future<Output = Resolved<R>> + Send>;
}

#[diagnostic::do_not_recommend]
impl<R: Role, V: IntoValue<R>> Form<R, V> for Plain {
    const IS_READY: bool = true;

    #[inline]
    fn resolve(output: V) -> MaybeResolved<R, impl Future<Output = Resolved<R>> + Send> {
        ready::<R>(output.into_value())
    }
}

#[diagnostic::do_not_recommend]
impl<R: Role, V, E: IntoResponse, W: Form<R, V>> Form<R, Result<V, E>> for Fallible<W> {
    const IS_READY: bool = W::IS_READY;

    #[inline]
    fn resolve(output: Result<V, E>) -> MaybeResolved<R, impl Future<Output = Resolved<R>> + Send> {
        match output {
            Ok(value) => W::resolve(value),
            Err(error) => MaybeReady::Ready(Err(rejection(error))),
        }
    }
}

// Recommended: a future that is not `Send` is reported as such, with its `await`.
impl<R: Role, V: Future + Send, W: Form<R, V::Output>> Form<R, V> for Later<W> {
    const IS_READY: bool = false;

    #[inline]
    fn resolve(output: V) -> MaybeResolved<R, impl Future<Output = Resolved<R>> + Send> {
        MaybeReady::Pending(async move { ready_or_await!(W::resolve(output.await)) })
    }
}

/// What a key or scope function may return. For the compiler's message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rate-limit key",
    label = "returns `{Self}`, which is not a key",
    note = "a key is a string, an integer, an `IpAddr`, a tuple of keys, or a type of yours that implements `IntoKey`; a key function returns a key, `Result` of one with an error that is `IntoResponse`, or a future of one of these that is `Send`",
    note = "an `Option` is not a key: where a key is missing, return `Result<_, StatusCode>`, as in `.ok_or(StatusCode::UNAUTHORIZED)`; to exempt a request, return `None` from the limits function"
)]
pub trait KeyOutput<W>: Output<KeyRole, W> {}

#[diagnostic::do_not_recommend]
impl<V: Output<KeyRole, W>, W> KeyOutput<W> for V {}

/// What a limits function may return. For the compiler's message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the limits of a handler",
    label = "is `{Self}`, which holds no limits",
    note = "limits are `limits!(\"10/minute\")`, a `Limits`, a `&'static Limits`, or a function of extractors; a constant text becomes limits with `limits!(TEXT)`, one that is known only at run time with `text.parse::<Limits>()?`",
    note = "a limits function returns `Limits` or `&'static Limits`, `Option` of one (`None`: this request is exempt), `Result` of one of these with an error that is `IntoResponse`, or a future of any of these that is `Send`"
)]
pub trait LimitsOutput<W>: Output<LimitsRole, W> {}

#[diagnostic::do_not_recommend]
impl<V: Output<LimitsRole, W>, W> LimitsOutput<W> for V {}

/// What a cost function may return. For the compiler's message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cost of a request",
    label = "is `{Self}`, which is not a cost",
    note = "a cost is an integer (`u32`, `usize`, `i64`, …); below 1 it counts as 1",
    note = "an `Option` is not a cost: write what a request without one costs, as in `.unwrap_or(1)`",
    note = "a cost function returns a cost, `Result` of one with an error that is `IntoResponse`, or a future of one of these that is `Send`"
)]
pub trait CostOutput<W>: Output<CostRole, W> {}

#[diagnostic::do_not_recommend]
impl<V: Output<CostRole, W>, W> CostOutput<W> for V {}
