//! Layers: [`LimiterLayer`] provides a limiter to handlers, [`RateLimitLayer`] limits all requests.

mod exceptions;
mod limiter;
mod rate_limit;
mod registry;
mod scope;
mod service;

pub(crate) use self::registry::LayerRegistry;
pub use self::{
    limiter::{LimiterLayer, LimiterService},
    rate_limit::RateLimitLayer,
    scope::IntoLayerScope,
    service::RateLimitService,
};
