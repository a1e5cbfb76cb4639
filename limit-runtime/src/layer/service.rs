//! The service of [`RateLimitLayer`](super::RateLimitLayer): checks each request, then calls the
//! inner service.

use super::{
    exceptions::Exceptions,
    scope::LayerScope,
    settings::{Settings, SkipWhen},
};
use crate::{
    extract::{maybe_ready::ready_or_await, rejection::Rejection},
    key::{IntoKey, Key},
    observe::{Reason, layer_registry::LayerIdentity, policy_record::LayerDeclaration},
    policy::{
        config::{ConfigRef, PolicyConfig, ScopeConfig, is_served_as},
        resolution::{Resolution, UnresolvedRule},
    },
    request::{
        admission::Admission,
        check::{check_layer, count_and_reject, exempt_from_layer},
        default_key::default_key,
        dry_run::charge_dry_run,
        early_response::finish_early_response,
        enclosing_limits::EnclosingLimits,
        report,
    },
};
use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http::{Method, Request, request::Parts};
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// The state of a layer in use, shared by all its services: settings, and which exceptions matched.
pub(super) struct ActiveLayer {
    settings: Settings,
    identity: Arc<LayerIdentity>,
    config: Arc<PolicyConfig>,
    exceptions: Exceptions,
}

impl ActiveLayer {
    pub(super) fn new(settings: &Settings) -> Self {
        let identity = Arc::new(LayerIdentity {
            name: settings.name,
            limits: settings.limits_identity,
            location: settings.place,
        });
        // The registry warns of layers with one name and different limits. In a shared scope these
        // are intended.
        if matches!(settings.scope, LayerScope::Own | LayerScope::Route) {
            settings.limiter.layers().add(&identity);
        }
        let scope = match &settings.scope {
            LayerScope::Own | LayerScope::Route => ScopeConfig::layer(settings.name),
            LayerScope::Shared(text) => ScopeConfig::SharedText(text.clone()),
            LayerScope::Computed(_) => ScopeConfig::computed("", ""),
        };
        let concurrency = settings.config.concurrency.map(|limit| limit.max);
        let record = settings
            .limiter
            .observer()
            .records()
            .add_layer(LayerDeclaration {
                name: settings.name,
                location: settings.place,
                limits: match settings.config.has_limits() {
                    true => settings.limits_identity.to_string(),
                    false => String::new(),
                },
                concurrency: concurrency.map_or_else(String::new, |max| max.to_string()),
                key: settings.config.key_label,
                cost: settings.cost_label.clone().into(),
                scope: match &settings.scope {
                    LayerScope::Own => String::new(),
                    LayerScope::Route => "route".into(),
                    LayerScope::Shared(text) => format!("{text:?}"),
                    LayerScope::Computed(_) => "a function".into(),
                },
                methods: settings
                    .methods
                    .iter()
                    .map(Method::as_str)
                    .collect::<Vec<_>>()
                    .join(", "),
                is_dry_run: settings.config.is_dry_run,
                budget: Box::new(settings.known_budget()),
            });
        let config = PolicyConfig {
            scope,
            layer: Some(record),
            concurrency: settings.concurrency(),
            ..settings.config.clone()
        };
        Self {
            config: Arc::new(config),
            exceptions: Exceptions::new(&settings.exceptions, settings.limiter.clock().now()),
            identity,
            settings: settings.clone(),
        }
    }

    /// Checks one request. A request that the layer does not limit is admitted.
    ///
    /// # Errors
    /// The response to a refused or rejected request.
    async fn check(&self, parts: &mut Parts) -> Result<Admission, Rejection> {
        let limiter = &self.settings.limiter;
        let is_dry_run = limiter
            .observer()
            .is_dry_run(self.config.id(), self.config.is_dry_run);
        if !self.covers(parts) {
            // A disabled limiter counts nothing.
            if limiter.is_enabled() {
                report::unchecked(limiter, parts, &self.config, Reason::Exempt, is_dry_run);
            }
            if let Some(outer) = parts.extensions.get_mut::<EnclosingLimits>() {
                outer.add_exempt(self.settings.name);
            }
            return Ok(Admission::unlimited());
        }
        let key = self.key(parts).await;
        let limits = (self.settings.limits)(parts).await;
        let cost = self.cost(parts).await;
        let rule = UnresolvedRule {
            index: 0,
            config: ConfigRef::Shared(self.config.clone()),
            is_per_route: matches!(self.settings.scope, LayerScope::Route),
        };
        let mut resolution = Resolution::default();
        resolution.add(rule, key, limits, cost);
        if !resolution.rules().is_empty() {
            self.exceptions.warn_of_incomplete(parts, &self.identity);
        }
        if is_dry_run {
            return Ok(self.check_dry_run(parts, resolution).await);
        }
        if let Some(rejection) = resolution.take_response() {
            report::unchecked(limiter, parts, &self.config, Reason::Rejected, false);
            return Err(Box::new(
                count_and_reject(
                    self.settings.limiter.clone(),
                    parts,
                    &mut resolution,
                    rejection,
                )
                .await,
            ));
        }
        if resolution.rules().is_empty() {
            report::unchecked(limiter, parts, &self.config, Reason::Exempt, false);
            exempt_from_layer(limiter, parts, self.settings.name);
            return Ok(Admission::unlimited());
        }
        match ready_or_await!(check_layer(&self.settings.limiter, parts, resolution)) {
            Ok(admission) => Ok(admission),
            Err(refusal) => Err(Box::new(refusal.into_response(parts))),
        }
    }

    /// Checks one request in dry run, and admits it. Limits without rules enclose the handlers
    /// inside, as those of a live layer would: a `RateLimit` there charges the dry budget, and not
    /// the budgets of layers outside.
    async fn check_dry_run(&self, parts: &mut Parts, mut resolution: Resolution) -> Admission {
        let limiter = &self.settings.limiter;
        let is_rejected = resolution.take_response().is_some();
        if is_rejected || resolution.rules().is_empty() {
            let reason = match is_rejected {
                true => Reason::Rejected,
                false => Reason::Exempt,
            };
            report::unchecked(limiter, parts, &self.config, reason, true);
        }
        let limits = exempt_from_layer(limiter, parts, self.settings.name);
        let admission = Admission::tracked(limits);
        charge_dry_run(admission, Some(parts), &mut resolution).await
    }

    /// Whether the layer's settings and its limiter let it limit this request. Its limits function
    /// may still exempt it.
    fn covers(&self, parts: &Parts) -> bool {
        let settings = &self.settings;
        let clock = settings.limiter.clock();
        let is_exempt = self.exceptions.exempts(parts, clock, &self.identity);
        let mut methods = settings.methods.iter();
        let has_method = settings.methods.is_empty()
            || methods.any(|listed| is_served_as(&parts.method, listed.as_str()));
        let skips = |skip: &Arc<SkipWhen>| skip(parts);
        !is_exempt
            && has_method
            && !settings.skip_when.as_ref().is_some_and(skips)
            && !settings.limiter.skips(parts)
    }

    /// The key of a request, preceded by its computed scope if there is one.
    async fn key(&self, parts: &mut Parts) -> Result<Key, Rejection> {
        let settings = &self.settings;
        let scope = match &settings.scope {
            LayerScope::Computed(scope) => Some(scope(parts).await),
            LayerScope::Own | LayerScope::Route | LayerScope::Shared(_) => None,
        };
        let key = match &settings.key {
            Some(key) => key(parts).await,
            None => default_key(parts).await,
        };
        Ok(match scope {
            Some(scope) => (scope?, key?).into_key(),
            None => key?,
        })
    }

    async fn cost(&self, parts: &mut Parts) -> Result<u64, Rejection> {
        match &self.settings.cost {
            Some(cost) => cost(parts).await,
            None => Ok(1),
        }
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
        // Call the service that was polled ready: a clone may not be ready.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.extensions.insert(layer.settings.limiter.clone());
            let admission = match layer.check(&mut parts).await {
                Ok(admission) => admission,
                Err(mut response) => {
                    finish_early_response(&parts, body, &mut response);
                    return Ok(*response);
                }
            };
            let response = inner.call(Request::from_parts(parts, body)).await?;
            Ok(ready_or_await!(admission.complete(response.map(Body::new))))
        })
    }
}
