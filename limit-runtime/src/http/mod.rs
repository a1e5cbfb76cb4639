//! The Axum side: who a request is from, the check before the handler, and what clients are told.

mod admission;
mod admit;
mod alike;
pub(crate) mod answer;
mod chunk;
mod client_ip;
mod current_request;
mod drain;
pub(crate) mod exceeded;
pub(crate) mod extract_fn;
mod grpc;
mod handle;
mod header_key;
mod header_style;
mod headers;
mod instead;
mod layer;
pub(crate) mod limited;
pub(crate) mod policy;
mod rate_limit_info;
mod refusal;
mod rejection;
pub(crate) mod respond;
mod route_scope;
pub mod setup;
mod soon;
pub(crate) mod source;
mod spec;
mod standing;
mod text;
mod wait_queue;

pub use self::{
    admit::Admit,
    client_ip::{
        ClientIp, ClientIpRejection, ForwardedHeader, TrustedProxies, TrustedProxiesError,
        client_ip,
    },
    exceeded::Exceeded,
    handle::{RateLimit, RateLimitRejection, UnknownPolicy},
    header_key::{
        BearerKey, BearerRejection, HeaderKey, HeaderKeyRejection, bearer, everyone, header,
    },
    header_style::{HeaderNames, HeaderStyle},
    layer::{IntoLayerScope, LimiterLayer, LimiterService, RateLimitLayer, RateLimitService},
    limited::Limited,
    rate_limit_info::{PolicyInfo, RateLimitInfo},
    refusal::RetryAfterStyle,
    route_scope::{RouteScope, route},
    spec::{ScopeSpec, Spec},
};
pub(crate) use self::{
    drain::{Drain, DrainSettings},
    layer::LayerRegistry,
    wait_queue::WaitQueues,
};
