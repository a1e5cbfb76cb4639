//! The values of expressions over the handler's arguments: what the attribute writes around each.
//!
//! An expression may be whatever a function of extractors may return. It borrows the arguments, so
//! a key that is a place in them, such as `login.email`, is not moved out of it: see [`KeyPlace`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::maybe_ready::MaybeReady;
use super::output::{CostOutput, Form, KeyOutput, LimitsOutput};
use super::rejection::not_ready;
use super::role::{CostRole, KeyRole, LimitsRole, Resolved, Role};
use crate::key::IntoKey;

/// The value of an expression, which may be a future that borrows the arguments.
pub(crate) type ArgumentValue<'a, R> = MaybeReady<Resolved<R>, ValueFuture<'a, R>>;

/// A boxed future of a value, which may borrow the arguments.
type ValueFuture<'a, R> = Pin<Box<dyn Future<Output = Resolved<R>> + Send + 'a>>;

fn value<'a, R: Role, O: 'a, W: Form<R, O> + 'a>(output: O) -> ArgumentValue<'a, R> {
    match W::resolve(output) {
        MaybeReady::Ready(value) => MaybeReady::Ready(value.map(R::computed)),
        MaybeReady::Pending(value) => {
            MaybeReady::Pending(Box::pin(async move { value.await.map(R::computed) }))
        }
    }
}

/// A key or scope that is computed from the arguments.
#[inline]
pub fn key_value<'a, O, W>(output: O) -> ArgumentValue<'a, KeyRole>
where
    O: KeyOutput<W> + 'a,
    W: Form<KeyRole, O> + 'a,
{
    value::<KeyRole, O, W>(output)
}

/// Limits that are computed from the arguments.
#[inline]
pub fn limits_value<'a, O, W>(output: O) -> ArgumentValue<'a, LimitsRole>
where
    O: LimitsOutput<W> + 'a,
    W: Form<LimitsRole, O> + 'a,
{
    value::<LimitsRole, O, W>(output)
}

/// A cost that is computed from the arguments.
#[inline]
pub fn cost_value<'a, O, W>(output: O) -> ArgumentValue<'a, CostRole>
where
    O: CostOutput<W> + 'a,
    W: Form<CostRole, O> + 'a,
{
    value::<CostRole, O, W>(output)
}

/// A key or scope that is a place in the arguments, such as a field.
///
/// A reference to two of it is the receiver of [`KeyByReference::value`], if a reference to the
/// place is a key; a reference to it that of [`KeyByClone::value`], if the place is a key and can
/// be cloned; and itself that of [`NotAKey::value`], which no place can call. Method resolution
/// finds them in this order.
pub struct KeyPlace<'a, V: ?Sized>(pub &'a V);

impl<V: ?Sized> fmt::Debug for KeyPlace<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPlace").finish_non_exhaustive()
    }
}

/// A place of which a reference is a key.
pub trait KeyByReference<'a> {
    /// The key.
    fn value(self) -> ArgumentValue<'a, KeyRole>;
}

impl<'a, V: ?Sized> KeyByReference<'a> for &&KeyPlace<'a, V>
where
    &'a V: IntoKey,
{
    #[inline]
    fn value(self) -> ArgumentValue<'a, KeyRole> {
        MaybeReady::Ready(Ok(self.0.into_key()))
    }
}

/// A place that is a key and can be cloned.
pub trait KeyByClone<'a> {
    /// The key.
    fn value(self) -> ArgumentValue<'a, KeyRole>;
}

impl<'a, V: IntoKey + Clone> KeyByClone<'a> for &KeyPlace<'a, V> {
    #[inline]
    fn value(self) -> ArgumentValue<'a, KeyRole> {
        MaybeReady::Ready(Ok(self.0.clone().into_key()))
    }
}

/// A place that is no key.
pub trait NotAKey<'a, V: ?Sized> {
    /// Rejects the request. Never called, because nothing is an `ArgumentKey`.
    fn value(self) -> ArgumentValue<'a, KeyRole>
    where
        V: ArgumentKey;
}

impl<'a, V: ?Sized> NotAKey<'a, V> for KeyPlace<'a, V> {
    fn value(self) -> ArgumentValue<'a, KeyRole>
    where
        V: ArgumentKey,
    {
        MaybeReady::Ready(Err(not_ready()))
    }
}

/// For the compiler's message about an argument, or a part of one, that is no key. Nothing
/// implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a rate-limit key",
    label = "is `{Self}`, which is not a key",
    note = "a key is a string, an integer, an `IpAddr`, a tuple of keys, or a type of yours that implements `IntoKey`, and `Clone` unless a reference to it implements `IntoKey`",
    note = "a scope is such a value, too: of an enum, write its text or its number, as in `request.model.name()`",
    note = "an `Option` is not a key: where a key is missing, write a `Result<_, StatusCode>`, as in `.ok_or(StatusCode::UNAUTHORIZED)`; to exempt a request, use limits that are `None`"
)]
pub trait ArgumentKey {}
