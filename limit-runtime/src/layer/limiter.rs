//! The layer that provides a limiter to the handlers inside it.

use crate::limiter::Limiter;
use http::Request;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

impl Limiter {
    /// A layer that provides this limiter to the handlers inside it.
    ///
    /// They use it instead of the process-wide limiter. The layer covers the routes that were added
    /// before it, and limits nothing by itself; see [`limit_layer`](Self::limit_layer) for that.
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
        self.note_layer();
        LimiterLayer {
            limiter: self.clone(),
        }
    }
}

/// Layer that provides a [`Limiter`] to the handlers inside it; from [`Limiter::layer`].
#[derive(Clone, Debug)]
pub struct LimiterLayer {
    limiter: Limiter,
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

/// The service of a [`LimiterLayer`].
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
