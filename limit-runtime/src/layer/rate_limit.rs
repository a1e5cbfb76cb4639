//! The layer that limits all requests to a router, to some of its routes, or to any tower service.

use super::{
    scope::{IntoLayerScope, LayerScope},
    service::{ActiveLayer, RateLimitService},
    settings::Settings,
};
use crate::{
    extract::role_fn::{CostFn, KeyFn, KeyOfRequest, LimitsFn},
    limiter::Limiter,
    observe::{
        known_budget::{KnownKey, NoKey},
        layer_registry::LimitsIdentity,
    },
    policy::{
        boxed::boxed,
        config::{PolicyConfig, ScopeConfig},
    },
    request::built_in::is_built_in,
    response::exceeded::Exceeded,
    store::Fallback,
    window::Strategy,
};
use axum::response::{IntoResponse, Response};
use http::{Method, request::Parts};
use limit_core::limits;
use std::{
    any::TypeId,
    fmt,
    panic::Location,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tower_layer::Layer;

impl Limiter {
    /// A layer that limits all requests to the routes or the service inside it.
    ///
    /// `limits` are constant limits, or a function whose arguments are extractors and that returns
    /// limits. If the function returns `None`, the request is exempt.
    ///
    /// `name` identifies the layer's budget and appears in the headers. You can add, remove,
    /// reorder and move layers without a change to any budget. Two layers of one limiter with the
    /// same name share a budget, and the log warns if their limits differ: a function that creates
    /// layers should take the name as an argument. A handler or a shared
    /// [`scope`](RateLimitLayer::scope) with this name has another budget.
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
            config: PolicyConfig::new(name, ScopeConfig::layer(name)),
            scope: LayerScope::Own,
            limits: boxed(limits),
            key: None,
            known_key: KnownKey::Default,
            cost: None,
            cost_label: "1".into(),
            methods: Vec::new(),
            exceptions: Vec::new(),
            skip_when: None,
            hold_at_most: None,
        })
    }

    /// A layer that limits only how many requests of a key are in flight at once.
    ///
    /// It is as [`limit_layer`](Self::limit_layer) with a
    /// [concurrency limit](RateLimitLayer::concurrency), but without other limits. So a cost, a
    /// strategy and `count_when` have no effect on it.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use limit_runtime::{Limiter, bearer};
    ///
    /// let limiter = Limiter::new();
    /// let app: Router = Router::new()
    ///     .route("/chat", get(|| async { "…" }))
    ///     .layer(limiter.concurrency_layer("chat", 4).key(bearer));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn concurrency_layer(&self, name: &'static str, max: u64) -> RateLimitLayer {
        // The limits are a placeholder, which is never checked.
        let layer = self.limit_layer(name, limits!("1/s")).concurrency(max);
        layer.with(Settings::set_only_concurrency)
    }
}

/// Layer that limits all requests to the routes or the service inside it; from
/// [`Limiter::limit_layer`].
///
/// Its limits apply in addition to the limits of handlers and layers inside it. The layer is
/// checked first, in a separate check: a request that an inner limit refuses still counts on the
/// layer. The headers of the response describe all limits. Handlers inside use the layer's limiter,
/// without [`Limiter::layer`].
///
/// # Order of layers
///
/// `Router::layer` covers only the routes that were added before it. A layer on an empty router
/// limits nothing, without a warning. It also covers requests that match no route, even in a router
/// that this one is merged into; add the layer with `Router::route_layer` to exclude them.
///
/// The layer that is added last is the outermost and runs first. A good order, from the outside in:
///
/// 1. CORS, so that refused requests get its headers and preflight requests are not counted.
/// 2. A limit by client address, so that failed authentication is limited.
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
    /// Created when the layer is first applied. Shared by clones: axum makes one for each route.
    active: Arc<OnceLock<Arc<ActiveLayer>>>,
}

impl RateLimitLayer {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            active: Arc::default(),
        }
    }

    /// Changes a setting. The result shares nothing with earlier clones.
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        Self::new(self.settings)
    }

    /// Counts by this key: a function whose arguments are extractors, as in the attribute's `key`.
    ///
    /// Default: the limiter's [`default_key`](crate::LimiterBuilder::default_key), which is the
    /// client's address unless changed. If the function fails, the request is rejected with its
    /// error. To exempt requests, return `None` from the limits function.
    ///
    /// ```
    /// use limit_runtime::{Limiter, header, limits};
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("api-key", limits!("100/minute"))
    ///     .key(header("x-api-key"));
    /// ```
    #[must_use]
    pub fn key<F, M>(self, key: F) -> Self
    where
        F: KeyFn<(), M> + KeyOfRequest<M> + Clone + Send + Sync + 'static,
        M: 'static,
    {
        self.with(|settings| {
            settings.known_key = known_key(&key);
            settings.key = Some(boxed(key));
            settings.config.key_label = "key";
        })
    }

    /// The number of units that a request costs: a constant, or a function whose arguments are
    /// extractors. Default: 1.
    ///
    /// A computed cost of 0 counts as 1. A constant `0_u64` consumes nothing and refuses clients
    /// that have nothing left, for handlers that [charge](crate::RateLimit::charge) what they have
    /// used. If the function fails, the request counts as 1 and is rejected with the error.
    ///
    /// ```
    /// use axum::extract::Query;
    /// use limit_runtime::{Limiter, limits};
    ///
    /// fn rows(Query(fields): Query<Vec<(String, String)>>) -> u32 {
    ///     let rows = fields.iter().find(|(name, _)| name == "rows");
    ///     rows.and_then(|(_, rows)| rows.parse().ok()).unwrap_or(1)
    /// }
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("rows", limits!("1_000/minute"))
    ///     .cost(rows);
    /// ```
    #[must_use]
    pub fn cost<F, M>(self, cost: F) -> Self
    where
        F: CostFn<(), M> + Clone + Send + Sync + 'static,
        M: 'static,
    {
        self.with(|settings| {
            let any: &dyn std::any::Any = &cost;
            settings.cost_label = match any.downcast_ref::<u64>() {
                Some(cost) => cost.to_string().into(),
                None => "a function".into(),
            };
            settings.cost = Some(boxed(cost));
        })
    }

    /// Which budget the layer uses. Default: a budget of the layer, identified by its name.
    ///
    /// | Scope | Budget |
    /// |---|---|
    /// | a string, `"models"` | shared by handlers and layers with this scope |
    /// | [`route`](crate::route()) | a budget of the layer for each route |
    /// | another function of extractors | shared where scope functions return the same value |
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use limit_runtime::{Limiter, everyone, limits, rate_limit};
    ///
    /// #[rate_limit("100/minute", key = everyone, scope = "models")]
    /// async fn predict() {}
    ///
    /// let limiter = Limiter::new();
    /// let batch = limiter
    ///     .limit_layer("batch", limits!("100/minute"))
    ///     .key(everyone)
    ///     .scope("models");
    /// let app: Router = Router::new()
    ///     .route("/batch", post(|| async { "…" }).layer(batch))
    ///     .route("/predict", post(predict))
    ///     .layer(limiter.layer());
    /// ```
    #[must_use]
    pub fn scope<M>(self, scope: impl IntoLayerScope<M>) -> Self {
        self.with(|settings| settings.scope = scope.into_layer_scope())
    }

    /// The algorithm that counts requests. Default: [`Strategy::MovingWindow`].
    ///
    /// ```
    /// use limit_runtime::{Limiter, Strategy, limits};
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("app", limits!("100/minute"))
    ///     .strategy(Strategy::FixedWindow);
    /// ```
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        self.with(|settings| settings.config.strategy = strategy)
    }

    /// Lets requests wait for room, for at most `max_wait`, before they are refused. Default: zero.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    /// use std::time::Duration;
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("app", limits!("10/second"))
    ///     .wait(Duration::from_secs(2));
    /// ```
    #[must_use]
    pub fn wait(self, max_wait: Duration) -> Self {
        self.with(|settings| settings.config.wait = max_wait)
    }

    /// How many requests of a key may be in flight at once, beside the limits. Default: any number.
    ///
    /// A request takes a permit before the limits are checked, and holds it until the body of its
    /// response has ended or is dropped. With [`wait`](Self::wait), requests wait for a permit.
    /// Other requests get 429, with `qu="concurrent-requests"` in `RateLimit-Policy` and no
    /// `Retry-After`. See the [attribute](macro@crate::rate_limit) for the details.
    ///
    /// Zero would refuse every request. It counts as 1, and the log has a warning with the code
    /// `LIMIT015` of [`diagnostics`](crate::diagnostics).
    ///
    /// ```
    /// use limit_runtime::{Limiter, bearer, limits};
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("models", limits!("600/minute"))
    ///     .key(bearer)
    ///     .concurrency(4);
    /// ```
    #[must_use]
    pub fn concurrency(self, max: u64) -> Self {
        self.with(|settings| settings.set_concurrency(max))
    }

    /// Ends a response if its body has not ended after this time, and releases its permit. Default:
    /// never.
    ///
    /// Without it, a client that reads nothing holds its permit as long as its connection lasts.
    /// The time begins when the response does. The body then ends with an error, so that its work
    /// stops before the permit is free; the client sees an incomplete response. It has no effect
    /// without [`concurrency`](Self::concurrency), and none on a [`Permit`](crate::Permit).
    ///
    /// ```
    /// use limit_runtime::{Limiter, bearer};
    /// use std::time::Duration;
    ///
    /// let layer = Limiter::new()
    ///     .concurrency_layer("models", 4)
    ///     .key(bearer)
    ///     .hold_at_most(Duration::from_secs(600));
    /// ```
    #[must_use]
    pub fn hold_at_most(self, time: Duration) -> Self {
        self.with(|settings| settings.hold_at_most = Some(time))
    }

    /// Which responses count. If `counts` returns `false`, the charge is refunded. Default: all.
    ///
    /// The charge is made before the inner service runs, so that parallel requests cannot exceed a
    /// limit. Without a response it is not refunded: if the inner service panics or fails with an
    /// error, or if the client disconnects first. If an inner layer converts a panic into a
    /// response, that response decides. An error in the response body comes too late for a refund.
    ///
    /// ```
    /// use axum::{Router, response::Response, routing::get};
    /// use limit_runtime::{Limiter, limits};
    ///
    /// // At most ten client errors per minute, on all routes together.
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

    /// The response to requests that this layer refuses. Default: the
    /// [limiter's](crate::LimiterBuilder::on_limited).
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
        respond: impl Fn(&Exceeded<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| {
            settings.config.on_limited_of_layer = Some(Arc::new(move |exceeded: &Exceeded<'_>| {
                respond(exceeded).into_response()
            }));
        })
    }

    /// What happens to requests while the limiter's store is unavailable. Default: the
    /// [limiter's](crate::RemoteBuilder::fallback).
    #[must_use]
    pub fn on_store_error(self, fallback: Fallback) -> Self {
        self.with(|settings| settings.config.on_store_error = Some(fallback))
    }

    /// Limits only requests with these methods; `GET` includes `HEAD`. Default: all methods.
    ///
    /// ```
    /// use axum::http::Method;
    /// use limit_runtime::{Limiter, limits};
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("writes", limits!("10/minute"))
    ///     .methods([Method::POST, Method::PUT, Method::DELETE]);
    /// ```
    #[must_use]
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with(|settings| settings.methods.extend(methods))
    }

    /// Exempts a route, such as `/health` or `/files/{*path}`.
    ///
    /// Write the route as in `Router::route`. In a nested router, write it relative to the router
    /// of the layer (`/health`) or in full (`/api/health`). If no route has matched, as in a
    /// fallback or around a whole service, the path of the request is compared instead.
    ///
    /// The log warns of an exception without effect; see [`diagnostics`](crate::diagnostics).
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("app", limits!("100/minute"))
    ///     .except("/health")
    ///     .except("/metrics");
    /// ```
    #[must_use]
    pub fn except(self, route: impl Into<String>) -> Self {
        self.with(|settings| settings.exceptions.push(route.into().into()))
    }

    /// Counts requests and refuses none, to try a limit.
    ///
    /// The layer counts in a budget of its own, and responses have no headers of it. A failed
    /// function and a store that does not answer have no effect. [`Stats`](crate::Stats), the log
    /// and [`on_decision`](crate::LimiterBuilder::on_decision) tell how many requests would be
    /// refused. [`Limiter::set_dry_run`] changes it at run time.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("app", limits!("100/minute"))
    ///     .dry_run();
    /// ```
    #[must_use]
    pub fn dry_run(self) -> Self {
        self.with(|settings| settings.config.is_dry_run = true)
    }

    /// Exempts requests for which `skip` returns `true`.
    ///
    /// ```
    /// use limit_runtime::{Limiter, limits};
    ///
    /// let layer = Limiter::new()
    ///     .limit_layer("app", limits!("100/minute"))
    ///     .skip_when(|parts| parts.uri.path().starts_with("/internal/"));
    /// ```
    #[must_use]
    pub fn skip_when(self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.skip_when = Some(Arc::new(skip)))
    }
}

/// The key by a constant or a function of this crate, which need only the request.
fn known_key<F, M>(key: &F) -> KnownKey
where
    F: KeyFn<(), M> + Clone + Send + Sync + 'static,
{
    if !F::IS_READY || !(F::IS_CONSTANT || is_built_in(TypeId::of::<F>())) {
        return KnownKey::Unknown;
    }
    let key = key.clone();
    KnownKey::Layer(Arc::new(move |parts| {
        key.clone().resolve_now(parts).map_err(|_| NoKey::Rejected)
    }))
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let active = || Arc::new(ActiveLayer::new(&self.settings));
        RateLimitService::new(inner, self.active.get_or_init(active).clone())
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
