//! The names of the environment variables.

/// The prefix of all variables.
pub(super) const PREFIX: &str = "RATE_LIMIT_";

/// The prefix of the variables of Flask-Limiter and slowapi. They are rejected, so that settings
/// from such a project do not silently have no effect.
const FLASK_PREFIX: &str = "RATELIMIT_";

pub(super) const STORE: &str = "RATE_LIMIT_STORE";
pub(super) const STORE_PREFIX: &str = "RATE_LIMIT_PREFIX";
pub(super) const SECRET: &str = "RATE_LIMIT_SECRET";
pub(super) const ENABLED: &str = "RATE_LIMIT_ENABLED";
pub(super) const DRY_RUN: &str = "RATE_LIMIT_DRY_RUN";
pub(super) const STATS: &str = "RATE_LIMIT_STATS";
pub(super) const HEADERS: &str = "RATE_LIMIT_HEADERS";
pub(super) const RETRY_AFTER: &str = "RATE_LIMIT_RETRY_AFTER";
pub(super) const ON_STORE_ERROR: &str = "RATE_LIMIT_ON_STORE_ERROR";
pub(super) const DEADLINE: &str = "RATE_LIMIT_DEADLINE";
pub(super) const RETRY_JITTER: &str = "RATE_LIMIT_RETRY_JITTER";
pub(super) const EXCEEDS_CAPACITY_STATUS: &str = "RATE_LIMIT_EXCEEDS_CAPACITY_STATUS";
pub(super) const RESPONSE_INFO: &str = "RATE_LIMIT_RESPONSE_INFO";
pub(super) const DRAIN_BYTES: &str = "RATE_LIMIT_DRAIN_BYTES";
pub(super) const DRAIN_TIME: &str = "RATE_LIMIT_DRAIN_TIME";
pub(super) const MAX_DRAINING: &str = "RATE_LIMIT_MAX_DRAINING";
pub(super) const MAX_KEYS: &str = "RATE_LIMIT_MAX_KEYS";
pub(super) const MAX_BYTES: &str = "RATE_LIMIT_MAX_BYTES";
pub(super) const WHEN_FULL: &str = "RATE_LIMIT_WHEN_FULL";
pub(super) const MAX_LOG_ENTRIES: &str = "RATE_LIMIT_MAX_LOG_ENTRIES";
pub(super) const MAX_WAITING: &str = "RATE_LIMIT_MAX_WAITING";
pub(super) const IPV6_PREFIX: &str = "RATE_LIMIT_IPV6_PREFIX";
pub(super) const TRUSTED_PROXIES: &str = "RATE_LIMIT_TRUSTED_PROXIES";
pub(super) const FORWARDED_HEADER: &str = "RATE_LIMIT_FORWARDED_HEADER";

/// All variables.
pub(super) const ALL: [&str; 24] = [
    STORE,
    STORE_PREFIX,
    SECRET,
    DEADLINE,
    ON_STORE_ERROR,
    ENABLED,
    DRY_RUN,
    STATS,
    HEADERS,
    RETRY_AFTER,
    RETRY_JITTER,
    EXCEEDS_CAPACITY_STATUS,
    RESPONSE_INFO,
    DRAIN_BYTES,
    DRAIN_TIME,
    MAX_DRAINING,
    MAX_KEYS,
    MAX_BYTES,
    WHEN_FULL,
    MAX_LOG_ENTRIES,
    MAX_WAITING,
    IPV6_PREFIX,
    TRUSTED_PROXIES,
    FORWARDED_HEADER,
];

/// Whether the name begins with a prefix that is reserved for settings of rate limits, in any case.
pub(super) fn has_reserved_prefix(name: &str) -> bool {
    [PREFIX, FLASK_PREFIX].iter().any(|prefix| {
        let start = name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
}

/// Whether the name has a form that Kubernetes uses. For a service named `rate-limit-redis`, it
/// sets `RATE_LIMIT_REDIS_PORT` and similar variables in every pod.
pub(super) fn is_set_by_kubernetes(name: &str) -> bool {
    let is_port = |rest: &str| {
        let (number, rest) = rest.split_once('_').unwrap_or((rest, ""));
        let protocol = rest.split('_').next();
        number.parse::<u16>().is_ok() && matches!(protocol, Some("TCP" | "UDP" | "SCTP"))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| is_port(rest))
}
