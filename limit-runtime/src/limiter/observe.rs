//! What a limiter has counted.

use super::limiter::Limiter;
use crate::observe::{NoSuchPolicy, Policies, Stats};

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

    /// All limits: of each attribute of the program, before a request has met it, and of each layer
    /// of this limiter in use.
    ///
    /// Handlers of crates that the program does not link are not listed, and a generic handler is
    /// listed once. Routes are those that requests have hit so far.
    ///
    /// ```
    /// use limit_runtime::{Limiter, client_ip, rate_limit};
    ///
    /// #[rate_limit("10/minute", key = client_ip)]
    /// async fn predict() {}
    ///
    /// let policies = Limiter::new().policies();
    /// print!("{policies}");
    /// assert!(policies.iter().any(|policy| policy.limits == "10 per minute"));
    /// ```
    #[must_use]
    pub fn policies(&self) -> Policies {
        self.observer().policies()
    }

    /// Sets a policy to dry run, in which it counts and refuses no request, or back to live.
    ///
    /// The policy is the one of this name in [`stats`](Self::stats), for this limiter only. In dry
    /// run it counts in a budget of its own. So a policy that becomes live starts with an empty
    /// budget, or with what it has counted when it was last live and is still in the window.
    ///
    /// The call precedes the source code and
    /// [`LimiterBuilder::dry_run`](crate::LimiterBuilder::dry_run): with all policies in dry run,
    /// `set_dry_run("predict", false)` makes this one live.
    ///
    /// A second attribute of a handler without a `name` is named after the handler and a number,
    /// such as `predict-2`.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use limit_runtime::{Limiter, rate_limit};
    ///
    /// #[rate_limit("10/minute")]
    /// async fn predict() {}
    ///
    /// # fn main() -> Result<(), limit_runtime::observe::NoSuchPolicy> {
    /// let limiter = Limiter::new();
    /// limiter.set_dry_run("predict", true)?;
    /// let error = limiter.set_dry_run("predikt", true).unwrap_err();
    /// assert!(error.to_string().contains("`predict`"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no policy of this name: an attribute of the program, or a layer of this limiter
    /// in use.
    pub fn set_dry_run(&self, policy: &str, dry_run: bool) -> Result<(), NoSuchPolicy> {
        let changed = self.observer().set_dry_run(policy, dry_run);
        changed.map_err(|known| NoSuchPolicy::new(policy, known))
    }
}
