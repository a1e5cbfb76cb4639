//! The scope function `route`: one budget per route.

use axum::extract::MatchedPath;
use http::request::Parts;

/// The scope function that gives each route a budget of its own.
///
/// A route is its full template, such as `/api/items/{id}`, also in a nested router. A request that
/// no route has matched yet, as in a fallback, uses the budget that it would have without `route`.
///
/// ```
/// use axum::{Router, routing::get};
/// use limit_runtime::{Limiter, limits, route};
///
/// let limiter = Limiter::new();
/// let app: Router = Router::new()
///     .route("/models", get(|| async { "…" }))
///     .route("/items/{id}", get(|| async { "…" }))
///     .layer(limiter.limit_layer("route", limits!("100/minute")).scope(route));
/// ```
#[must_use]
pub fn route(parts: &Parts) -> RouteScope {
    RouteScope(parts.extensions.get::<MatchedPath>().cloned())
}

/// The route of a request as a scope; from [`route`].
#[derive(Clone, Debug)]
pub struct RouteScope(Option<MatchedPath>);

impl RouteScope {
    /// The full template of the route, such as `/api/items/{id}`; `None` if no route has matched.
    ///
    /// ```
    /// use axum::http::Request;
    /// use limit_runtime::route;
    ///
    /// let (parts, ()) = Request::new(()).into_parts();
    /// assert_eq!(route(&parts).template(), None);
    /// ```
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.0.as_ref().map(MatchedPath::as_str)
    }
}
