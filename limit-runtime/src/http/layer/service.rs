//! The service of [`RateLimitLayer`](super::RateLimitLayer): checks each request, then calls the
//! inner service.

use super::{
    exceptions::Exceptions,
    rate_limit::{Settings, SkipWhen},
    registry::LayerIdentity,
    scope::LayerScope,
};
use crate::{
    http::{
        admission::Admission,
        admit::{Admit, Terms, admit, leave_empty},
        instead::Instead,
        rejection,
        route_scope::route,
        soon::answer_of,
        spec::{Demand, Demands, GivenLimits, ScopeSpec, Spec, SpecRef, is_served_as},
    },
    key::{IntoKey, Key},
    limiter::Limiter,
};
use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http::{Request, request::Parts};
use smallvec::smallvec;
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// A layer in use: its settings, and what it has seen. All services of one layer share it.
pub(super) struct ActiveLayer {
    settings: Settings,
    identity: Arc<LayerIdentity>,
    /// For the budget that does not depend on the route.
    spec: Arc<Spec>,
    /// For the budgets of routes.
    route_spec: Arc<Spec>,
    exceptions: Exceptions,
}

/// What one request demands of the layer.
struct Resolved {
    spec: Arc<Spec>,
    key: Key,
    limits: GivenLimits,
}

impl ActiveLayer {
    pub(super) fn new(settings: &Settings) -> Self {
        let identity = Arc::new(LayerIdentity {
            name: settings.name,
            limits: settings.limits_identity,
            place: settings.place,
        });
        // Under one shared scope, different limits are intended.
        if matches!(settings.scope, LayerScope::Own | LayerScope::Route) {
            settings.limiter.layers().add(&identity);
        }
        let with_scope = |scope| {
            Arc::new(Spec {
                scope,
                ..settings.spec.clone()
            })
        };
        Self {
            spec: with_scope(match &settings.scope {
                LayerScope::Own | LayerScope::Route => ScopeSpec::Layer(settings.name),
                LayerScope::Shared(text) => ScopeSpec::SharedText(text.clone()),
                LayerScope::Computed(_) => ScopeSpec::COMPUTED,
            }),
            route_spec: with_scope(ScopeSpec::LayerRoute(settings.name)),
            exceptions: Exceptions::new(&settings.exceptions, settings.limiter.clock().now()),
            identity,
            settings: settings.clone(),
        }
    }

    /// Checks one request; those that the layer does not limit are let through.
    async fn check(&self, parts: &mut Parts) -> Result<Admission, Instead> {
        let Some(resolved) = self.resolve(parts).await? else {
            // A handler may ask for its limits all the same.
            leave_empty(parts);
            return Ok(Admission::unlimited());
        };
        let (cost, rejection) = match self.cost(parts).await {
            Ok(cost) => (cost, None),
            // It counts all the same: else what makes the function fail would be unlimited.
            Err(rejection) => (1, Some(rejection)),
        };
        let mut demands: Demands = smallvec![Demand {
            rule: 0,
            spec: SpecRef::Shared(resolved.spec),
            key: resolved.key,
            limits: resolved.limits,
            cost,
        }];
        let terms = Terms {
            how: Admit::Consume,
            is_handled: true,
        };
        match (answer_of!(admit(parts, &mut demands, terms)), rejection) {
            (Ok(admission), None) => Ok(admission),
            (Ok(admission), Some(rejection)) => {
                let response = admission.reject(*rejection, Admit::Consume).await;
                Err(Box::new(response))
            }
            (Err(refused), _) => Err(Box::new(refused.into_response(parts))),
        }
    }

    /// The budget and the limits of a request; `None` if the layer does not limit it.
    async fn resolve(&self, parts: &mut Parts) -> Result<Option<Resolved>, Instead> {
        let settings = &self.settings;
        if !self.covers(parts) {
            return Ok(None);
        }
        let key = match &settings.key {
            Some(key) => key(parts).await?,
            None => Limiter::default_key(parts).await?,
        };
        let Some(key) = key else {
            return Ok(None);
        };
        let Some((spec, key)) = self.budget(parts, key).await? else {
            return Ok(None);
        };
        let Some(limits) = (settings.limits)(parts).await? else {
            return Ok(None);
        };
        self.exceptions.warn_of_incomplete(parts, &self.identity);
        Ok(Some(Resolved { spec, key, limits }))
    }

    /// Whether the layer limits this request, as far as its settings say.
    fn covers(&self, parts: &Parts) -> bool {
        let settings = &self.settings;
        let clock = settings.limiter.clock();
        let is_exempt = self.exceptions.exempt(parts, clock, &self.identity);
        let mut methods = settings.methods.iter();
        let has_method = settings.methods.is_empty()
            || methods.any(|listed| is_served_as(&parts.method, listed.as_str()));
        let skips = |skip: &Arc<SkipWhen>| skip(parts);
        !is_exempt
            && has_method
            && !settings.skip_when.as_ref().is_some_and(skips)
            && !settings.limiter.skips(parts)
    }

    /// The scope of a request, and its key there; `None` if the scope function exempts it.
    async fn budget(
        &self,
        parts: &mut Parts,
        key: Key,
    ) -> Result<Option<(Arc<Spec>, Key)>, Instead> {
        let spec = self.spec.clone();
        Ok(match &self.settings.scope {
            LayerScope::Own | LayerScope::Shared(_) => Some((spec, key)),
            LayerScope::Route => Some(match route(parts).template() {
                Some(template) => (self.route_spec.clone(), (template, key).into_key()),
                None => (spec, key),
            }),
            LayerScope::Computed(scope) => {
                let scope = scope(parts).await?;
                scope.map(|scope| (spec, (scope, key).into_key()))
            }
        })
    }

    async fn cost(&self, parts: &mut Parts) -> Result<u32, Instead> {
        let Some(cost) = &self.settings.cost else {
            return Ok(1);
        };
        let computed = (cost.source)(parts).await?;
        Ok(if cost.is_constant {
            computed
        } else {
            // What a request turns out to cost is no way to be free.
            computed.max(1)
        })
    }
}

impl fmt::Debug for ActiveLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// The service of a [`RateLimitLayer`](super::RateLimitLayer).
#[derive(Clone, Debug)]
pub struct RateLimitService<S> {
    inner: S,
    layer: Arc<ActiveLayer>,
}

impl<S> RateLimitService<S> {
    pub(super) fn new(inner: S, layer: Arc<ActiveLayer>) -> Self {
        Self { inner, layer }
    }
}

impl<S, B, R> Service<Request<B>> for RateLimitService<S>
where
    S: Service<Request<B>, Response = http::Response<R>, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
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
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(layer.settings.limiter.clone());
            let mut admission = match layer.check(&mut parts).await {
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
