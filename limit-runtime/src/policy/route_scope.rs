//! The scope function that gives each route a budget of its own.

use crate::key::{IntoKey, Key};
use axum::extract::MatchedPath;
use http::request::Parts;
use std::any::TypeId;

/// The scope function `route`: one budget for each route template, and not one for all routes of a
/// handler or below a layer.
///
/// ```
/// use limit_runtime::{rate_limit, route};
///
/// // At `/v1/{model}/complete` and `/v2/{model}/complete`, whatever the model: 10 a minute each.
/// #[rate_limit("10/minute", scope = route)]
/// async fn complete() {}
/// ```
///
/// A layer has it as `limiter.limit_layer("app", limits).scope(route)`.
///
/// The template is the whole one, with what routers around have in front of it ([`nest`]). Where no
/// route matched, as in a fallback, the budget is that of the handler or layer.
///
/// [`nest`]: axum::Router::nest
#[must_use]
pub fn route(parts: &Parts) -> RouteScope {
    RouteScope(parts.extensions.get::<MatchedPath>().cloned())
}

/// The route that [`route`] found.
#[derive(Clone, Debug)]
pub struct RouteScope(Option<MatchedPath>);

impl RouteScope {
    /// The template of the route, such as `/item/{id}`; `None` where no route matched.
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
