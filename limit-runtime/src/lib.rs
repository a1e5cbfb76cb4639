//! The rate limiter for Axum: annotate a handler, and it is limited.

pub mod clock;
mod decision;
mod http;
mod key;
mod limiter;
pub mod store;
mod window;

pub use self::{
    decision::{Decision, Outcome, Receipt, Verdict},
    http::{
        ClientIp, ClientIpRejection, Exceeded, HeaderKey, HeaderKeyRejection, HeaderNames,
        HeaderStyle, LimitLayer, LimitService, Limited, LimiterLayer, LimiterService, RateLimit,
        RateLimitRejection, RetryAfterStyle, client_ip, everyone, header,
    },
    key::{IntoKey, Key},
    limiter::{Check, Limiter, LimiterBuilder},
    window::Strategy,
};
#[doc(inline)]
pub use limit_core::{Limit, Limits, ParseError, limits};
#[doc = include_str!("docs/rate_limit.md")]
pub use limit_macros::rate_limit;

/// What the attribute's expansion calls. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private;
