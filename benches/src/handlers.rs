//! The handlers of the measured requests, bare and limited.

use axum::{body::Body, http::HeaderName};
use governor::{clock::QuantaInstant, middleware::NoOpMiddleware};
use limit_runtime::{client_ip, rate_limit};
use tower_governor::{
    GovernorLayer, governor::GovernorConfigBuilder, key_extractor::PeerIpKeyExtractor,
};

/// A handler without a limit.
pub async fn bare() -> &'static str {
    "ok"
}

/// Two headers like those of a rate limit, but constant: what any two headers cost.
pub async fn two_headers() -> ([(HeaderName, &'static str); 2], &'static str) {
    const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
    let headers = [
        (POLICY, r#""annotated";q=4000000000;w=86400"#),
        (LIMIT, r#""annotated";r=3999999999;t=1"#),
    ];
    (headers, "ok")
}

/// One limit by client address.
#[rate_limit("4000000000/day", key = client_ip)]
pub async fn annotated() -> &'static str {
    "ok"
}

/// Two limits by client address.
#[rate_limit("1000000/second; 4000000000/day", key = client_ip)]
pub async fn two_limits() -> &'static str {
    "ok"
}

/// From the second request on, 429.
#[rate_limit("1/day", key = client_ip)]
pub async fn refused() -> &'static str {
    "ok"
}

/// The layer of `tower_governor`, without headers. A client may send `burst` requests at once, and
/// one more every `period` seconds.
#[must_use]
pub fn tower_governor(
    burst: u32,
    period: u64,
) -> GovernorLayer<PeerIpKeyExtractor, NoOpMiddleware<QuantaInstant>, Body> {
    let mut config = GovernorConfigBuilder::default();
    let config = config.per_second(period).burst_size(burst).finish();
    GovernorLayer::new(config.expect("neither number is zero"))
}
