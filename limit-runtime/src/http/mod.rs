//! The Axum side: who a request is from, the check before the handler, and what clients are told.

mod admit;
mod client_ip;
mod exceeded;
mod guard;
mod handle;
mod header_key;
mod header_style;
mod headers;
mod layer;
mod refusal;
mod spec;
mod standing;
mod wait;

pub(crate) use self::wait::WaitingRoom;
pub use self::{
    admit::{Admit, admit},
    client_ip::{ClientIp, ClientIpRejection, client_ip},
    exceeded::Exceeded,
    guard::Guard,
    handle::{RateLimit, RateLimitRejection},
    header_key::{HeaderKey, HeaderKeyRejection, everyone, header},
    header_style::{HeaderNames, HeaderStyle},
    layer::{LimiterLayer, LimiterService},
    refusal::RetryAfterStyle,
    spec::{Demand, Demands, ScopeSpec, Spec, SpecRef},
};
