//! The rate limiter for Axum: annotate a handler, and it is limited.

pub mod clock;
mod decision;
mod http;
mod key;
mod limiter;
pub mod store;
pub mod testing;
mod window;

pub use self::{
    decision::{Decision, Outcome, Receipt, Verdict},
    http::{
        ClientIp, ClientIpRejection, Exceeded, ForwardedHeader, HeaderKey, HeaderKeyRejection,
        HeaderNames, HeaderStyle, LimitLayer, LimitService, Limited, LimiterLayer, LimiterService,
        RateLimit, RateLimitRejection, RetryAfterStyle, TrustedProxies, TrustedProxiesError,
        client_ip, everyone, header, setup,
    },
    key::{IntoKey, Key},
    limiter::{Check, EnvError, Limiter, LimiterBuilder},
    window::Strategy,
};
#[doc(inline)]
pub use limit_core::{Limit, Limits, ParseError, limits};
#[doc = include_str!("docs/rate_limit.md")]
pub use limit_macros::rate_limit;

/// What the attribute's expansion calls. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private;
