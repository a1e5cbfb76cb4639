//! Functions of extractors in a role: what may be written as key, scope, limits and cost.
//!
//! [`RoleFn`] calls them. [`KeyFn`], [`LimitsFn`] and [`CostFn`] are the bounds that users meet:
//! they say for each role what is missing.

use http::request::Parts;
use std::future::Future;

use super::function::{Borrowed, ConstantKey, ExtractFn, Owned};
use super::maybe_ready::{MaybeReady, ready_or_await};
use super::output::{CostOutput, Form, KeyOutput, LimitsOutput, Output};
use super::rejection::not_ready;
use super::role::{CostRole, KeyRole, LimitsRole, Resolved, Role};

/// A function of extractors that returns a value of the role `R`, or a constant in its place.
///
/// `M` is the form of its arguments and of what it returns; it is always inferred.
pub trait RoleFn<R: Role, S, M>: Send {
    /// Whether it is a constant.
    const IS_CONSTANT: bool;

    /// Whether it takes no extractor and returns no future, so that
    /// [`resolve_now`](Self::resolve_now) can be called.
    const IS_READY: bool;

    /// The value of a function that is ready. Any other function rejects the request.
    fn resolve_now(self, parts: &Parts) -> Resolved<R>;

    /// Extracts the arguments, calls the function and awaits its value.
    fn resolve(self, parts: &mut Parts, state: &S) -> impl Future<Output = Resolved<R>> + Send;
}

#[diagnostic::do_not_recommend]
impl<R, S, F, M, W> RoleFn<R, S, (M, W)> for F
where
    R: Role,
    S: Sync,
    F: ExtractFn<S, M> + Send,
    for<'a> F::Output<'a>: Output<R, W>,
    for<'a> W: Form<R, F::Output<'a>>,
{
    const IS_CONSTANT: bool = F::IS_CONSTANT;
    const IS_READY: bool = F::HAS_NO_EXTRACTOR && <W as Form<R, F::Output<'static>>>::IS_READY;

    #[inline]
    fn resolve_now(self, parts: &Parts) -> Resolved<R> {
        let Some(arguments) = F::no_arguments() else {
            return Err(not_ready());
        };
        match W::resolve(self.call(parts, arguments)) {
            MaybeReady::Ready(value) => value,
            MaybeReady::Pending(_) => Err(not_ready()),
        }
    }

    #[inline]
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` holds its arguments twice"
    )]
    fn resolve(self, parts: &mut Parts, state: &S) -> impl Future<Output = Resolved<R>> + Send {
        async move {
            let arguments = ready_or_await!(F::extract(parts, state))?;
            ready_or_await!(W::resolve(self.call(parts, arguments)))
        }
    }
}

/// A key or scope function of extractors, or a constant key.
///
/// It is implemented for sync and async functions and closures of up to 8 arguments that return a
/// key ([`IntoKey`](crate::IntoKey)), or a `Result` of one; see
/// [`rate_limit`](macro@crate::rate_limit#functions). `S` is the state of the router.
///
/// `M` is the form of the function; it is always inferred. This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a key function of extractors nor a key",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "a key function is called before the body is read, so that its arguments cannot be `Json`, `Form`, `Bytes`, `String` or another extractor of the body",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait KeyFn<S, M>: RoleFn<KeyRole, S, M> {}

impl<S, F, M, W> KeyFn<S, (M, W)> for F
where
    S: Sync,
    F: ExtractFn<S, M> + Send,
    for<'a> F::Output<'a>: KeyOutput<W>,
    for<'a> W: Form<KeyRole, F::Output<'a>>,
{
}

/// A limits function of extractors, or constant limits.
///
/// It is implemented for sync and async functions and closures of up to 8 arguments that return
/// [`Limits`](crate::Limits), an `Option` of them (`None` exempts the request), or a `Result` of
/// one of these; see [`rate_limit`](macro@crate::rate_limit#functions). `S` is the state of the
/// router.
///
/// `M` is the form of the function; it is always inferred. This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a limits function of extractors nor limits",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "a constant text becomes limits with `limits!`: write `limits!(LIMIT)`",
    note = "a limits function is called before the body is read, so that its arguments cannot be `Json`, `Form`, `Bytes`, `String` or another extractor of the body",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait LimitsFn<S, M>: RoleFn<LimitsRole, S, M> {}

impl<S, F, M, W> LimitsFn<S, (M, W)> for F
where
    S: Sync,
    F: ExtractFn<S, M> + Send,
    for<'a> F::Output<'a>: LimitsOutput<W>,
    for<'a> W: Form<LimitsRole, F::Output<'a>>,
{
}

/// A cost function of extractors, or a constant cost.
///
/// It is implemented for sync and async functions and closures of up to 8 arguments that return an
/// integer, or a `Result` of one; see [`rate_limit`](macro@crate::rate_limit#functions). `S` is the
/// state of the router.
///
/// `M` is the form of the function; it is always inferred. This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a cost function of extractors nor a cost",
    label = "cannot be called with what a request holds",
    note = "write a sync or async function of 0 to 8 arguments; each is an extractor (`FromRequestParts`), and one of them may be `&Parts` or `&HeaderMap`",
    note = "a cost function is called before the body is read, so that its arguments cannot be `Json`, `Form`, `Bytes`, `String` or another extractor of the body",
    note = "an extractor of application state (`State<T>`) must also be an argument of the handler, unless the attribute says `state = AppState`",
    note = "a closure says the types of its arguments: `|headers: HeaderMap| …`"
)]
pub trait CostFn<S, M>: RoleFn<CostRole, S, M> {}

impl<S, F, M, W> CostFn<S, (M, W)> for F
where
    S: Sync,
    F: ExtractFn<S, M> + Send,
    for<'a> F::Output<'a>: CostOutput<W>,
    for<'a> W: Form<CostRole, F::Output<'a>>,
{
}

/// What can be the whole key of a layer or a limiter: a key function, or `()`.
///
/// A constant would be one budget for all clients, which [`everyone`](crate::everyone()) says
/// plainly; so does `()`.
///
/// `M` is the form of the function; it is always inferred. This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a constant key is one budget shared by all clients",
    label = "is the same for all requests",
    note = "write `header(\"x-api-key\")` to count by a header, `everyone` if one budget for all clients is meant, or a function of extractors, such as `client_ip`"
)]
pub trait KeyOfRequest<M> {
    #[doc(hidden)]
    const SEALED: sealed::Sealed;
}

#[diagnostic::do_not_recommend]
impl<F, T, O, W> KeyOfRequest<(Owned<T, O>, W)> for F {
    const SEALED: sealed::Sealed = sealed::Sealed;
}

#[diagnostic::do_not_recommend]
impl<F, Before, B, After, W> KeyOfRequest<(Borrowed<Before, B, After>, W)> for F {
    const SEALED: sealed::Sealed = sealed::Sealed;
}

#[diagnostic::do_not_recommend]
impl<W> KeyOfRequest<(ConstantKey, W)> for () {
    const SEALED: sealed::Sealed = sealed::Sealed;
}

mod sealed {
    #[derive(Debug)]
    pub struct Sealed;
}
