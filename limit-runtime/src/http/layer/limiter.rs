//! The layer that tells handlers below it which limiter to use.

use super::limits::LimitLayer;
use crate::{
    http::{answer::LimitsAnswer, extract_fn::ExtractFn},
    limiter::Limiter,
};
use http::Request;
use std::{
    panic::Location,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

impl Limiter {
    /// A layer: handlers below it use this limiter.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use limit_runtime::Limiter;
    ///
    /// let app: Router = Router::new()
    ///     .route("/", get(|| async { "hello" }))
    ///     .layer(Limiter::new().layer());
    /// ```
    #[must_use]
    pub fn layer(&self) -> LimiterLayer {
        LimiterLayer {
            limiter: self.clone(),
        }
    }
}

/// Makes a [`Limiter`] the one that handlers below use; from [`Limiter::layer`].
#[derive(Clone, Debug)]
pub struct LimiterLayer {
    limiter: Limiter,
}

impl LimiterLayer {
    /// Limits everything below the layer, too (handlers below still use this limiter; no second layer is needed): by constant limits, or by a function of extractors that
    /// returns them (`None` for a request that is exempt).
    #[must_use]
    #[track_caller]
    pub fn limits<F, M, W>(self, limits: F) -> LimitLayer
    where
        F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
        for<'a> F::Output<'a>: LimitsAnswer<W>,
        M: 'static,
        W: 'static,
    {
        LimitLayer::new(self.limiter, limits, Location::caller())
    }
}

impl<S> Layer<S> for LimiterLayer {
    type Service = LimiterService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LimiterService {
            inner,
            limiter: self.limiter.clone(),
        }
    }
}

/// The service that [`LimiterLayer`] makes.
#[derive(Clone, Debug)]
pub struct LimiterService<S> {
    inner: S,
    limiter: Limiter,
}

impl<S, B> Service<Request<B>> for LimiterService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.limiter.clone());
        self.inner.call(request)
    }
}
