//! The Axum side: who a request is from, the check before the handler, and what clients are told.

mod admit;
pub(crate) mod answer;
mod client_ip;
pub(crate) mod extract_fn;
mod guard;
mod header_key;
mod headers;
mod layer;
pub(crate) mod limited;
pub(crate) mod policy;
mod refusal;

pub use self::{
    admit::{Admit, ScopeSpec, Spec},
    client_ip::{ClientIp, ClientIpRejection, client_ip},
    header_key::{HeaderKey, HeaderKeyRejection, everyone, header},
    headers::HeaderStyle,
    layer::{LimiterLayer, LimiterService},
    limited::Limited,
};
