//! The budget that a layer uses.

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

/// The budget that a layer uses.
#[derive(Clone)]
pub enum LayerScope {
    /// The layer's own.
    Own,
    /// The layer's own, one for each route.
    Route,
    /// The one that handlers and layers share by this text.
    Shared(Arc<str>),
    /// The one that handlers and layers share where a function returns the same value.
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

/// What can be the [scope](super::RateLimitLayer::scope) of a layer: a text, the function
/// [`route`](crate::route()), or another function of extractors.
///
/// `M` is the form of the scope; it is always inferred. This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the scope of a layer",
    label = "not a scope",
    note = "a scope is a text (`\"models\"` or a `String`), the function `route`, or a function of extractors that returns a text or another key"
)]
pub trait IntoLayerScope<M>: sealed::Sealed<M> {}

impl<T: sealed::Sealed<M>, M> IntoLayerScope<M> for T {}

pub(super) mod sealed {
    use super::LayerScope;

    pub trait Sealed<M> {
        fn into_layer_scope(self) -> LayerScope;
    }
}

/// Form: a text.
#[derive(Debug)]
pub struct Text;
/// Form: a function of extractors of the form `M`.
#[derive(Debug)]
pub struct Computed<M>(PhantomData<fn() -> M>);

macro_rules! text_scopes {
    ($($text:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl sealed::Sealed<Text> for $text {
            fn into_layer_scope(self) -> LayerScope {
                LayerScope::Shared(self.into())
            }
        }
    )*};
}

text_scopes!(&'static str String Cow<'static, str> Arc<str>);

macro_rules! computed_scopes {
    ($([$($generics:ident)*] $Form:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<F, W, $($generics),*> sealed::Sealed<Computed<($Form, W)>> for F
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

// Not constants: these are texts.
computed_scopes! {
    [T O] Owned<T, O>;
    [Before Part After] Borrowed<Before, Part, After>;
}
