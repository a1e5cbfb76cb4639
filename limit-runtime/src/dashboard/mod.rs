//! Routes that show what a limiter does, for its operators, and one for its clients.

// Responses in JSON.
mod json_response;
// A policy of the limiter, and its budgets of a key.
mod inspect;
// What `POST /key` is asked.
mod key_query;
// The limits of the client that asks.
mod client_limits;
// Whether the key is of the type that the policy counts by.
mod key_type;
// Budgets of a key: look at them, clear them.
mod key_route;
// The page.
mod page;

use self::json_response::json;
use crate::limiter::Limiter;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    response::Response,
    routing::{get, post},
};

impl Limiter {
    /// Routes for operators: a page of all limits and what became of requests, the same as JSON,
    /// and the budgets of one key.
    ///
    /// | Route | answers |
    /// |---|---|
    /// | `GET /` | the page |
    /// | `GET /stats.json` | [`stats`](Self::stats) |
    /// | `GET /limits.json` | [`policies`](Self::policies) |
    /// | `POST /key` | the budgets of a key, and clears them on request |
    ///
    /// They are for operators only: mount them behind authentication. The JSON is described in
    /// [docs/OBSERVABILITY.md]. Build the limiter with [`stats(true)`] to see utilisation, the time
    /// of checks and the keys that are refused most often.
    ///
    /// ```
    /// use axum::{Router, extract::Request, http::StatusCode, middleware, routing::get};
    /// use axum::{middleware::Next, response::{IntoResponse, Response}};
    /// use limit_runtime::Limiter;
    ///
    /// /// Admits operators. Use the authentication of your application.
    /// async fn operators_only(request: Request, next: Next) -> Response {
    ///     match request.headers().get("authorization") {
    ///         Some(value) if value == "Bearer operator's token" => next.run(request).await,
    ///         _ => StatusCode::UNAUTHORIZED.into_response(),
    ///     }
    /// }
    ///
    /// let limiter = Limiter::builder().stats(true).build();
    /// let dashboard = limiter.dashboard().layer(middleware::from_fn(operators_only));
    /// let app: Router = Router::new()
    ///     .route("/models", get(|| async { "…" }))
    ///     .layer(limiter.layer())
    ///     .nest("/limits", dashboard);
    /// ```
    ///
    /// [docs/OBSERVABILITY.md]:
    ///     https://docs.rs/crate/limit-runtime/latest/source/docs/OBSERVABILITY.md
    /// [`stats(true)`]: crate::LimiterBuilder::stats
    pub fn dashboard<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        Router::new()
            .route("/", get(page::page))
            .route("/stats.json", get(stats))
            .route("/limits.json", get(limits))
            .route("/key", post(key_route::key))
            .layer(DefaultBodyLimit::max(key_route::MAX_BODY))
            .with_state(self.clone())
    }
}

async fn stats(State(limiter): State<Limiter>) -> Response {
    json(&limiter.stats())
}

async fn limits(State(limiter): State<Limiter>) -> Response {
    json(&limiter.policies())
}
