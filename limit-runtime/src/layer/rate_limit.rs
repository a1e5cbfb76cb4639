//! The layer that limits all requests to a router, to a part of one, or to any service.

use super::{
    scope::{IntoLayerScope, LayerScope},
    service::{ActiveLayer, RateLimitService},
    settings::Settings,
};
use crate::{
    extract::role_fn::{CostFn, KeyFn, KeyOfRequest, LimitsFn},
    limiter::Limiter,
    observe::layer_registry::LimitsIdentity,
    policy::{
        boxed::boxed,
        config::{PolicyConfig, ScopeConfig},
    },
    response::exceeded::Exceeded,
    store::Fallback,
    window::Strategy,
};
use axum::response::{IntoResponse, Response};
use http::{Method, request::Parts};
use std::{
    fmt,
    panic::Location,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tower_layer::Layer;

impl Limiter {
    /// A layer that limits all requests to the routes or the service inside it: by constant limits,
    /// or by a function of extractors that returns them (`None` exempts the request).
    ///
    /// `name` identifies the layer's budget and appears in the headers. Layers can be added,
    /// removed, reordered and moved in the source without a change to any budget. Two layers of one
    /// limiter with the same name share a budget, and the log warns if their limits differ: a
    /// function that makes layers should take the name as an argument. The budget is never that of
    /// a handler or of a shared [`scope`](RateLimitLayer::scope) with this name.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use limit_runtime::{Limiter, limits};
    ///
    /// let limiter = Limiter::new();
    /// let app: Router = Router::new()
    ///     .route("/models", get(|| async { "…" }))
    ///     .route("/health", get(|| async { "ok" }))
    ///     .layer(limiter.limit_layer("app", limits!("100/minute")).except("/health"));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn limit_layer<F, M>(&self, name: &'static str, limits: F) -> RateLimitLayer
    where
        F: LimitsFn<(), M> + Clone + Send + Sync + 'static,
        M: 'static,
    {
        self.note_layer();
        RateLimitLayer::new(Settings {
            limiter: self.clone(),
            place: Location::caller(),
            name,
            limits_identity: LimitsIdentity::of(&limits),
            config: PolicyConfig::new(name, ScopeConfig::Layer(name)),
            scope: LayerScope::Own,
            limits: boxed(limits),
            key: None,
            cost: None,
            methods: Vec::new(),
            exceptions: Vec::new(),
            skip_when: None,
        })
    }
}

/// Limits all requests to the routes or the service inside it; from [`Limiter::limit_layer`].
///
/// Its limits apply in addition to those of handlers and of layers further in. The layer is checked
/// before these, in a check of its own: a request that one of them refuses still counts on the
/// layer. The headers of the response describe all of them. Handlers inside use the layer's
/// limiter, without [`Limiter::layer`].
///
/// # Order of layers
///
/// `Router::layer` covers only the routes that were added before it: a layer on an empty router
/// limits nothing, and no log line says so. It also covers requests that match no route, even those
/// of a router that this one is merged into; add the layer with `Router::route_layer` to leave
/// these out.
///
/// The layer that is added last is the outermost and runs first. From the outside in:
///
/// 1. CORS, so that refused requests get its headers and preflight requests are not counted.
/// 2. A limit by address, so that failed authentication is limited.
/// 3. Authentication.
/// 4. Limits with a key that depends on the user.
///
/// ```
/// use axum::{Router, middleware, routing::get};
/// # use axum::{extract::Request, middleware::Next, response::Response};
/// use limit_runtime::{Limiter, client_ip, limits};
/// use tower_http::cors::CorsLayer;
/// # async fn authenticate(request: Request, next: Next) -> Response { next.run(request).await }
/// # fn user() -> u64 { 7 }
///
/// let limiter = Limiter::new();
/// let app: Router = Router::new()
///     .route("/models", get(|| async { "…" }))
///     .layer(limiter.limit_layer("user", limits!("1_000/hour")).key(user))
///     .layer(middleware::from_fn(authenticate))
///     .layer(limiter.limit_layer("address", limits!("600/minute")).key(client_ip))
///     .layer(CorsLayer::permissive());
/// ```
#[derive(Clone)]
pub struct RateLimitLayer {
    settings: Settings,
    /// Made when the layer is first applied; shared by its clones, of which axum makes one per route.
    active: Arc<OnceLock<Arc<ActiveLayer>>>,
}

impl RateLimitLayer {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            active: Arc::default(),
        }
    }

    /// The layer with changed settings. It shares nothing with clones made before.
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        Self::new(self.settings)
    }

    /// Counts by this key: a function of extractors, as the attribute's `key`. By default
    /// the limiter's [`default_key`](crate::LimiterBuilder::default_key), the client's address.
    ///
    /// A key function that fails rejects the request with its error. To exempt requests, return `None`
    /// from the limits function.
    #[must_use]
    pub fn key<F, M>(self, key: F) -> Self
    where
        F: KeyFn<(), M> + KeyOfRequest<M> + Clone + Send + Sync + 'static,
        M: 'static,
    {
        self.with(|settings| {
            settings.key = Some(boxed(key));
            settings.config.key_label = "key";
        })
    }

    /// How much a request takes: a function of extractors. By default 1.
    ///
    /// A computed cost of 0 counts as 1. A constant `0_u32` takes nothing and refuses clients that
    /// have nothing left: for handlers that [charge](crate::RateLimit::charge) what they have used.
    /// If the function fails, the request counts as 1 and is rejected with the error.
    #[must_use]
    pub fn cost<F, M>(self, cost: F) -> Self
    where
        F: CostFn<(), M> + Clone + Send + Sync + 'static,
        M: 'static,
    {
        self.with(|settings| settings.cost = Some(boxed(cost)))
    }

    /// Which budget the layer uses. By default one of its own, by its name.
    ///
    /// | Scope | Budget |
    /// |---|---|
    /// | a text, `"models"` | shared with handlers and layers that have this scope |
    /// | [`route`](crate::route()) | the layer's own, one for each route |
    /// | another function of extractors | shared with handlers and layers whose scope function returns the same value |
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use limit_runtime::{Limiter, everyone, limits, rate_limit};
    ///
    /// #[rate_limit("100/minute", key = everyone, scope = "models")]
    /// async fn predict() {}
    ///
    /// let limiter = Limiter::new();
    /// let batch = limiter.limit_layer("batch", limits!("100/minute")).key(everyone).scope("models");
    /// let app: Router = Router::new()
    ///     .route("/batch", post(|| async { "…" }).layer(batch))
    ///     .route("/predict", post(predict))
    ///     .layer(limiter.layer());
    /// ```
    #[must_use]
    pub fn scope<M>(self, scope: impl IntoLayerScope<M>) -> Self {
        self.with(|settings| settings.scope = scope.into_layer_scope())
    }

    /// How requests are counted.
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        self.with(|settings| settings.config.strategy = strategy)
    }

    /// Lets requests wait for room, at most this long, before they are refused.
    #[must_use]
    pub fn wait(self, longest: Duration) -> Self {
        self.with(|settings| settings.config.wait = longest)
    }

    /// Which responses count. If `counts` returns `false`, the charge is given back.
    ///
    /// The charge is made before the inner service runs, so parallel requests cannot exceed a limit.
    /// It stays where there is no response: if the inner service panics or fails with an error, and
    /// if the client disconnects before there is a response. A panic that a layer further in turns
    /// into a response is judged by that response. A body that breaks off later makes no difference:
    /// the response has been counted by then.
    ///
    /// ```
    /// use axum::{Router, response::Response, routing::get};
    /// use limit_runtime::{Limiter, limits};
    ///
    /// // Ten errors a minute, whatever the route.
    /// let limiter = Limiter::new();
    /// let app: Router = Router::new().route("/models", get(|| async { "…" })).layer(
    ///     limiter
    ///         .limit_layer("errors", limits!("10/minute"))
    ///         .count_when(|response: &Response| response.status().is_client_error()),
    /// );
    /// ```
    #[must_use]
    pub fn count_when(self, counts: fn(&Response) -> bool) -> Self {
        self.with(|settings| settings.config.count_when = Some(counts))
    }

    /// Answers requests that this layer refuses. By default as the
    /// [limiter](crate::LimiterBuilder::on_limited) does.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use limit_runtime::{Limiter, limits};
    ///
    /// let support = String::from("support@example.com");
    /// let layer = Limiter::new()
    ///     .limit_layer("app", limits!("100/minute"))
    ///     .on_limited(move |exceeded| {
    ///         let text = format!("{exceeded}. Ask {support} for more.");
    ///         (StatusCode::TOO_MANY_REQUESTS, text)
    ///     });
    /// ```
    #[must_use]
    pub fn on_limited<R: IntoResponse>(
        self,
        answer: impl Fn(&Exceeded<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| {
            settings.config.on_limited_of_layer = Some(Arc::new(move |exceeded: &Exceeded<'_>| {
                answer(exceeded).into_response()
            }));
        })
    }

    /// What to do with requests that the limiter's store does not answer. By default as the
    /// [limiter](crate::LimiterBuilder::on_store_error) does.
    #[must_use]
    pub fn on_store_error(self, fallback: Fallback) -> Self {
        self.with(|settings| settings.config.on_store_error = Some(fallback))
    }

    /// Limits requests of these methods only; `GET` includes `HEAD`.
    #[must_use]
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with(|settings| settings.methods.extend(methods))
    }

    /// Exempts a route, such as `/health` or `/files/{*path}`.
    ///
    /// The route is the template as in `Router::route`. In a nested router it may be written as seen
    /// where the layer is, `/health`, or in full, `/api/health`. Where no route has matched, as in a
    /// fallback or around a whole service, the path of the request is compared instead.
    ///
    /// An exception without effect is reported in the log; see [`setup`](crate::diagnostics).
    #[must_use]
    pub fn except(self, route: impl Into<String>) -> Self {
        self.with(|settings| settings.exceptions.push(route.into().into()))
    }

    /// Exempts requests for which `skip` returns `true`.
    #[must_use]
    pub fn skip_when(self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.skip_when = Some(Arc::new(skip)))
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let make = || Arc::new(ActiveLayer::new(&self.settings));
        RateLimitService::new(inner, self.active.get_or_init(make).clone())
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
