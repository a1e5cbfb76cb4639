//! The routes that show what a limiter does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

#[path = "../http/app.rs"]
#[allow(dead_code, reason = "the tests in `http` use all of it")]
mod app;
mod client_limits;
mod key;
mod routes;

use app::{Answer, App};
use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use http::Request;
use limit_runtime::{
    Limiter, LimiterBuilder, Limits, bearer, client_ip, everyone, header, limits, rate_limit, route,
};
use serde_json::Value;
use std::net::SocketAddr;

pub(crate) const FREE: Limits = limits!("5/minute");

#[rate_limit("2/minute", key = client_ip)]
async fn by_address() {}

#[rate_limit(FREE, key = header("x-api-key"))]
async fn by_api_key() {}

#[rate_limit("3/minute", key = (client_ip, header("x-api-key")), strategy = fixed_window)]
async fn by_both() {}

#[rate_limit("4/minute", key = everyone, scope = route)]
async fn by_route() {}

#[rate_limit("4/minute", key = client_ip, scope = route)]
async fn by_address_and_route() {}

fn tenant(headers: &http::HeaderMap) -> Result<String, std::convert::Infallible> {
    let tenant = headers
        .get("x-tenant")
        .and_then(|value| value.to_str().ok());
    Ok(tenant.unwrap_or_default().to_owned())
}

#[rate_limit("6/minute", key = everyone, scope = tenant)]
async fn by_tenant() {}

#[rate_limit("6/minute", key = bearer)]
async fn by_token() {}

fn tier() -> Limits {
    FREE
}

#[rate_limit(tier, key = everyone)]
async fn by_tier() {}

#[rate_limit("9/minute", key = everyone)]
#[rate_limit("1/minute", key = everyone, name = "trial", dry_run)]
async fn tried() {}

/// The app, with the dashboard beside its routes.
pub(crate) fn app() -> App {
    app_with(Limiter::builder().stats(true))
}

pub(crate) fn app_with(builder: LimiterBuilder) -> App {
    let router = Router::new()
        .route("/address", get(by_address))
        .route("/api-key", get(by_api_key))
        .route("/both", get(by_both))
        .route("/a", get(by_route))
        .route("/b", get(by_route))
        .route("/c", get(by_address_and_route))
        .route("/tenant", get(by_tenant))
        .route("/token", get(by_token))
        .route("/tier", get(by_tier))
        .route("/tried", get(tried));
    let mut app = App::with(router, builder);
    let outer = app.limiter.limit_layer("outer", limits!("100/hour"));
    app.router = app
        .router
        .layer(outer)
        .nest("/limits", app.limiter.dashboard())
        .route("/mine", get(app.limiter.client_limits()));
    app
}

/// Sends a request with these headers.
pub(crate) async fn request(app: &App, request: Request<Body>) -> Answer {
    let mut request = request;
    let peer = SocketAddr::from(([192, 0, 2, 1], 4_711));
    request.extensions_mut().insert(ConnectInfo(peer));
    app.call(request).await
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))
}
