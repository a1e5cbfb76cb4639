//! The layer that limits everything below it: a router, a part of one, or any service.

use crate::{
    http::{
        admission::Admission,
        admit::{admit_by_layer, rejected},
        answer::{CostAnswer, KeyAnswer, LimitsAnswer},
        extract_fn::ExtractFn,
        handle::RateLimit,
        instead::Instead,
        policy::{Place, Resolved},
        rejection,
        soon::answer_of,
        source::{self, Source},
        spec::{GivenLimits, ScopeSpec, Spec, SpecRef, is_served_as},
    },
    key::Key,
    limiter::Limiter,
    store::Fallback,
    window::Strategy,
};
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::MatchedPath,
    response::Response,
};
use http::{Method, Request, request::Parts};
use std::{
    fmt,
    future::Future,
    mem,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

/// Limits everything below it together, beside what handlers are limited by themselves; from
/// [`LimiterLayer::limits`](super::LimiterLayer::limits).
///
/// ```
/// use axum::{Router, routing::get};
/// use limit_runtime::{Limiter, client_ip, limits};
///
/// let limiter = Limiter::new();
/// let app: Router = Router::new()
///     .route("/models", get(|| async { "…" }))
///     .route("/health", get(|| async { "ok" }))
///     .layer(
///         limiter
///             .layer()
///             .limits(limits!("100/minute"))
///             .key(client_ip)
///             .except("/health"),
///     );
/// ```
///
/// A layer's check is one, all or nothing, and comes before those of handlers and of layers further in: what
/// it has consumed stays consumed if one of those refuses. The headers of the response tell of all.
#[derive(Clone)]
pub struct LimitLayer {
    limiter: Limiter,
    spec: Spec,
    name: Option<&'static str>,
    scope: Option<&'static str>,
    /// Where in the source its limits were given.
    place: Arc<str>,
    per_route: bool,
    limits: Source<Option<GivenLimits>>,
    key: Option<Source<Key>>,
    cost: Option<Source<u32>>,
    only: Vec<Method>,
    except: Vec<String>,
    skip_when: Option<Arc<SkipWhen>>,
}

type SkipWhen = dyn Fn(&Parts) -> bool + Send + Sync;

impl LimitLayer {
    pub(super) fn new<F, M, W>(limiter: Limiter, limits: F, place: &Location<'_>) -> Self
    where
        F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
        for<'a> F::Output<'a>: LimitsAnswer<W>,
        M: 'static,
        W: 'static,
    {
        Self {
            limiter,
            spec: Spec::new("layer", ScopeSpec::Shared("layer")),
            name: None,
            scope: None,
            place: format!("layer at {place}").into(),
            per_route: false,
            limits: source::limits(limits),
            key: None,
            cost: None,
            only: Vec::new(),
            except: Vec::new(),
            skip_when: None,
        }
    }

    /// Counts by this key, as the attribute's `key`: a function of extractors, or a constant. By default
    /// the client's address.
    #[must_use]
    pub fn key<F, M, W>(mut self, key: F) -> Self
    where
        F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
        for<'a> F::Output<'a>: KeyAnswer<W>,
        M: 'static,
        W: 'static,
    {
        self.key = Some(source::key(key));
        self.spec = self.spec.key_label("key");
        self
    }

    /// How much a request takes: a function of extractors. By default 1.
    #[must_use]
    pub fn cost<F, M, W>(mut self, cost: F) -> Self
    where
        F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
        for<'a> F::Output<'a>: CostAnswer<W>,
        M: 'static,
        W: 'static,
    {
        self.cost = Some(source::cost(cost));
        self
    }

    /// What clients read in the headers, and the scope unless one is given. Without it they read the scope, or
    /// `layer`.
    ///
    /// Without a name and a scope, a layer has a budget of its own by the place in the source where its limits were
    /// given. Where that moves from release to release and the store outlives them, give it a name.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Draws on the budget that handlers and layers share under this name.
    #[must_use]
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Gives each route its own budget, and not all routes below one together.
    #[must_use]
    pub fn per_route(mut self) -> Self {
        self.per_route = true;
        self
    }

    /// How hits are counted.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.spec.strategy = strategy;
        self
    }

    /// Lets requests wait at most this long for room before they are refused.
    #[must_use]
    pub fn wait(mut self, longest: Duration) -> Self {
        self.spec.wait = longest;
        self
    }

    /// What to do with requests that the limiter's store does not answer; as the limiter says, if not called.
    #[must_use]
    pub fn on_store_error(mut self, fallback: Fallback) -> Self {
        self.spec = self.spec.on_store_error(fallback);
        self
    }

    /// Limits requests of these methods only; with `GET` those of `HEAD`, too.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.only.extend(methods);
        self
    }

    /// Leaves out the route of this template, such as `/health` or `/files/{*path}`.
    ///
    /// Where no router has matched a route yet, as around a whole service, it is compared with the request's path.
    #[must_use]
    pub fn except(mut self, route: impl Into<String>) -> Self {
        self.except.push(route.into());
        self
    }

    /// Lets requests through unlimited by this layer when `skip` says so.
    #[must_use]
    pub fn skip_when(mut self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.skip_when = Some(Arc::new(skip));
        self
    }
}

impl LimitLayer {
    fn spec(&self) -> Spec {
        let scope = self.scope.or(self.name);
        Spec {
            name: self.name.or(self.scope).unwrap_or(self.spec.name),
            scope: ScopeSpec::Layer {
                name: scope.map_or_else(|| self.place.clone(), Arc::from),
                is_shared: self.scope.is_some(),
                per_route: self.per_route,
            },
            ..self.spec.clone()
        }
    }
}

impl fmt::Debug for LimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLayer")
            .field("limiter", &self.limiter)
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LimitService {
            inner,
            checks: Arc::new(Checks {
                spec: Arc::new(self.spec()),
                layer: self.clone(),
            }),
        }
    }
}

/// The service that [`LimitLayer`] makes, around any service whose request bodies are
/// [`HttpBody`]s: those of a refused request are [drained](crate::LimiterBuilder::drain_bytes).
#[derive(Clone, Debug)]
pub struct LimitService<S> {
    inner: S,
    checks: Arc<Checks>,
}

#[derive(Debug)]
struct Checks {
    layer: LimitLayer,
    spec: Arc<Spec>,
}

impl Checks {
    /// Checks one request; those that the layer leaves out are unlimited.
    async fn check(&self, parts: &mut Parts) -> Result<Admission, Instead> {
        let layer = &self.layer;
        if self.leaves_out(parts) || layer.limiter.skips(parts) {
            return Ok(self.exempt(parts));
        }
        let key = match &layer.key {
            Some(key) => key(parts).await,
            None => Limiter::default_key(parts).await,
        };
        let limits = (layer.limits)(parts).await;
        let cost = match &layer.cost {
            Some(cost) => cost(parts).await,
            None => Ok(1),
        };
        let place = Place {
            rule: 0,
            spec: SpecRef::Shared(self.spec.clone()),
            is_per_route: layer.per_route,
        };
        let mut resolved = Resolved::default();
        resolved.add(place, key, limits, cost);
        if let Some(rejection) = resolved.take_rejection() {
            return Err(Box::new(rejected!(parts, &mut resolved, rejection)));
        }
        if resolved.demands().is_empty() {
            return Ok(self.exempt(parts));
        }
        match answer_of!(admit_by_layer(parts, resolved)) {
            Ok(admission) => Ok(admission),
            Err(refused) => Err(Box::new(refused.into_response(parts))),
        }
    }

    /// No limit of this layer applies; handlers below find those of the layers around, or none.
    fn exempt(&self, parts: &mut Parts) -> Admission {
        if parts.extensions.get::<RateLimit>().is_none() {
            let handle = RateLimit::empty(&self.layer.limiter);
            parts.extensions.insert(handle);
        }
        Admission::unlimited()
    }

    fn leaves_out(&self, parts: &Parts) -> bool {
        let layer = &self.layer;
        let route = match parts.extensions.get::<MatchedPath>() {
            Some(route) => route.as_str(),
            None => parts.uri.path(),
        };
        (!layer.only.is_empty()
            && !layer
                .only
                .iter()
                .any(|listed| is_served_as(&parts.method, listed.as_str())))
            || layer.except.iter().any(|except| except == route)
            || layer.skip_when.as_ref().is_some_and(|skip| skip(parts))
    }
}

impl<S, B, R> Service<Request<B>> for LimitService<S>
where
    S: Service<Request<B>, Response = http::Response<R>, Future: Send> + Clone + Send + 'static,
    B: HttpBody + Send + 'static,
    R: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone may not be.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let checks = self.checks.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(checks.layer.limiter.clone());
            let mut admission = match checks.check(&mut parts).await {
                Ok(admission) => admission,
                Err(response) => return Ok(rejection::finish(&parts, body, *response)),
            };
            let response = inner.call(Request::from_parts(parts, body)).await?;
            let mut response = response.map(Body::new);
            Ok(match admission.finish(&mut response) {
                None => response,
                Some(later) => later.await,
            })
        })
    }
}
