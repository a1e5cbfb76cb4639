//! The Axum side: who a request is from, the check before the handler, and what clients are told.

mod admit;
mod client_ip;
mod guard;
mod header_key;
mod headers;
mod layer;
mod refusal;
pub mod setup;

pub use self::{
    admit::{Admit, Demand, Demands, ScopeSpec, Spec, admit},
    client_ip::{
        ClientIp, ClientIpRejection, ForwardedHeader, TrustedProxies, TrustedProxiesError,
        client_ip,
    },
    guard::Guard,
    header_key::{HeaderKey, HeaderKeyRejection, everyone, header},
    headers::HeaderStyle,
    layer::{LimiterLayer, LimiterService},
};
