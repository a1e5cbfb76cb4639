//! The scope of a layer: which budget it uses.

use crate::{
    extract::{
        function::{Borrowed, Owned},
        role::KeyRole,
        role_fn::KeyFn,
    },
    policy::{
        boxed::{BoxedFn, boxed},
        route_scope::is_route,
    },
};
use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc};

/// Which budget a layer uses.
#[derive(Clone)]
pub enum LayerScope {
    /// A budget of the layer.
    Own,
    /// A budget of the layer for each route.
    Route,
    /// A budget shared by all handlers and layers with this scope.
    Shared(Arc<str>),
    /// A budget shared by all handlers and layers whose scope function returns the same value.
    Computed(BoxedFn<KeyRole>),
}

impl fmt::Debug for LayerScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("Own"),
            Self::Route => f.write_str("Route"),
            Self::Shared(text) => f.debug_tuple("Shared").field(text).finish(),
            Self::Computed(_) => f.write_str("Computed"),
        }
    }
}

/// What [`RateLimitLayer::scope`](super::RateLimitLayer::scope) accepts: a string, the function
/// [`route`](crate::route()), or another function whose arguments are extractors.
///
/// `M` tells the implementations apart and is always inferred. This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the scope of a layer",
    label = "not a scope",
    note = "a scope is a string (`\"models\"` or a `String`), the function `route`, or a function \
            of extractors that returns a string or another key"
)]
pub trait IntoLayerScope<M>: sealed::Sealed<M> {}

impl<T: sealed::Sealed<M>, M> IntoLayerScope<M> for T {}

pub(super) mod sealed {
    use super::LayerScope;

    pub trait Sealed<M> {
        fn into_layer_scope(self) -> LayerScope;
    }
}

/// Marker of scopes that are strings.
#[derive(Debug)]
pub struct StringScope;
/// Marker of scopes that are functions of the form `M`.
#[derive(Debug)]
pub struct FunctionScope<M>(PhantomData<fn() -> M>);

macro_rules! impl_string_scopes {
    ($($String:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl sealed::Sealed<StringScope> for $String {
            fn into_layer_scope(self) -> LayerScope {
                LayerScope::Shared(self.into())
            }
        }
    )*};
}

impl_string_scopes!(&'static str String Cow<'static, str> Arc<str>);

macro_rules! impl_function_scopes {
    ($([$($generics:ident)*] $Form:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<F, W, $($generics),*> sealed::Sealed<FunctionScope<($Form, W)>> for F
        where
            F: KeyFn<(), ($Form, W)> + Clone + Send + Sync + 'static,
            W: 'static,
            $($generics: 'static,)*
        {
            fn into_layer_scope(self) -> LayerScope {
                if is_route::<F>() {
                    LayerScope::Route
                } else {
                    LayerScope::Computed(boxed(self))
                }
            }
        }
    )*};
}

// Constants are not scope functions: a string is a shared scope, above.
impl_function_scopes! {
    [T O] Owned<T, O>;
    [Before Part After] Borrowed<Before, Part, After>;
}
