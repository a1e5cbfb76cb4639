//! What a limiter has counted.

use super::limiter::Limiter;
use crate::observe::Stats;

impl Limiter {
    /// What this limiter has counted since it was built: requests by policy and route, what was
    /// decided, the store's health.
    ///
    /// Only requests to limited handlers and through layers count, not checks of your own with
    /// [`check`](Self::check). The call reads every counter, so it is for a metrics endpoint or a
    /// page, not for each request. [`LimiterBuilder::stats`](crate::LimiterBuilder::stats) says how
    /// much is counted.
    ///
    /// ```
    /// use axum::{Json, Router, extract::State, routing::get};
    /// use limit_runtime::{Limiter, Stats};
    /// use std::collections::BTreeMap;
    ///
    /// /// Requests by route: all of them, and those that were refused.
    /// async fn metrics(State(limiter): State<Limiter>) -> Json<BTreeMap<String, [u64; 2]>> {
    ///     let Stats { endpoints, .. } = limiter.stats();
    ///     let endpoints = endpoints.into_iter();
    ///     Json(endpoints.map(|(path, seen)| (path, [seen.total, seen.limited])).collect())
    /// }
    ///
    /// let limiter = Limiter::new();
    /// let app: Router = Router::new()
    ///     .route("/metrics", get(metrics))
    ///     .layer(limiter.layer())
    ///     .with_state(limiter);
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.observer().stats(self.health(), self.usage())
    }
}
