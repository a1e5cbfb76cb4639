//! The scope function that gives each route its own budget.

use crate::key::{IntoKey, Key};
use axum::extract::MatchedPath;
use http::request::Parts;
use std::any::TypeId;

/// The scope function `route`: each route template of a handler or below a layer has its own
/// budget.
///
/// ```
/// use limit_runtime::{rate_limit, route};
///
/// // At `/v1/{model}/complete` and `/v2/{model}/complete`, whatever the model: 10 a minute each.
/// #[rate_limit("10/minute", scope = route)]
/// async fn complete() {}
/// ```
///
/// On a layer: `limiter.limit_layer("app", limits).scope(route)`.
///
/// The template includes the prefixes of nested routers ([`nest`]). For requests that match no
/// route, as in a fallback, the budget is that of the handler or layer.
///
/// [`nest`]: axum::Router::nest
#[must_use]
pub fn route(parts: &Parts) -> RouteScope {
    RouteScope(parts.extensions.get::<MatchedPath>().cloned())
}

/// The route of a request, from [`route`].
#[derive(Clone, Debug)]
pub struct RouteScope(Option<MatchedPath>);

impl RouteScope {
    /// The template of the route, such as `/item/{id}`; `None` if no route matched.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.0.as_ref().map(MatchedPath::as_str)
    }
}

impl IntoKey for RouteScope {
    fn into_key(self) -> Key {
        self.template().unwrap_or_default().into_key()
    }
}

/// The type of [`route()`].
fn type_of_route() -> TypeId {
    fn of<T>(_: &T) -> TypeId {
        typeid::of::<T>()
    }
    of(&route)
}

/// Whether a function, by its type, is [`route()`].
pub(crate) fn is_route<F>() -> bool {
    typeid::of::<F>() == type_of_route()
}
