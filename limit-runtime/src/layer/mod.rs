//! Layers: [`LimiterLayer`] provides a limiter to handlers, [`RateLimitLayer`] limits all requests.

mod exceptions;
mod limiter;
mod rate_limit;
mod scope;
mod service;
mod settings;

pub use self::{
    limiter::{LimiterLayer, LimiterService},
    rate_limit::RateLimitLayer,
    scope::IntoLayerScope,
    service::RateLimitService,
};
