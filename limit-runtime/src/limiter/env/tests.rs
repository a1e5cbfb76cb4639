//! Which variables are read, rejected and ignored.

use super::variables::{
    ALL, DEADLINE, DRAIN_BYTES, DRAIN_TIME, DRY_RUN, ENABLED, EXCEEDS_CAPACITY_STATUS,
    FORWARDED_HEADER, HEADERS, IPV6_PREFIX, MAX_BYTES, MAX_DRAINING, MAX_KEYS, MAX_LOG_ENTRIES,
    MAX_WAITING, ON_STORE_ERROR, RESPONSE_INFO, RETRY_AFTER, RETRY_JITTER, SECRET, STATS, STORE,
    STORE_PREFIX, TRUSTED_PROXIES, WHEN_FULL,
};
use crate::{
    limiter::{InstallError, Limiter},
    observe::StatsLevel,
    response::{header_style::HeaderStyle, retry_after::RetryAfterStyle},
};
use std::time::Duration;

async fn read(variables: &[(&str, &str)]) -> Result<Limiter, String> {
    let limiter = Limiter::from_variables(variables.iter().copied()).await;
    limiter.map_err(|error| error.to_string())
}

#[tokio::test]
async fn nothing_set_is_the_default() {
    let limiter = read(&[("PATH", "/bin"), (ENABLED, ""), ("RATES", "x")]).await;
    let limiter = limiter.unwrap();
    assert_eq!(limiter.response_settings().header_style, HeaderStyle::Ietf);
    assert!(limiter.trusted_proxies().is_none());
}

#[tokio::test]
async fn variables_of_others_are_left_alone() {
    let others = [
        ("RATE_LIMIT_PORT", "tcp://10.0.0.1:80"),
        ("RATE_LIMIT_SERVICE_HOST", "10.0.0.1"),
        ("RATE_LIMIT_STORE_SERVICE_PORT_REDIS", "6379"),
        ("RATE_LIMIT_STORE_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ("RATE_LIMIT_STORE_PORT_6379_TCP_ADDR", "10.0.0.1"),
    ];
    read(&others).await.unwrap();
}

#[tokio::test]
async fn every_setting_is_made() {
    let variables = [
        (DEADLINE, "80ms"),
        (RETRY_JITTER, "2 seconds"),
        (EXCEEDS_CAPACITY_STATUS, "413"),
        (RESPONSE_INFO, "on"),
        (DRAIN_BYTES, "8_000_000"),
        (DRAIN_TIME, "3s"),
        (MAX_DRAINING, "0"),
        (MAX_BYTES, "67108864"),
        (WHEN_FULL, "Share"),
        (MAX_LOG_ENTRIES, "16384"),
        (MAX_WAITING, "16"),
        (IPV6_PREFIX, "56"),
        (ENABLED, "Yes"),
        (DRY_RUN, "yes"),
        (STATS, "Detailed"),
        (STORE, "memory://"),
        (STORE_PREFIX, "inference"),
        (SECRET, "hush"),
        (ON_STORE_ERROR, "DENY"),
        (HEADERS, "x-ratelimit"),
        (RETRY_AFTER, "http-date"),
        (MAX_KEYS, "10_000"),
        (TRUSTED_PROXIES, "10.0.0.0/8, fd00::/8"),
        (FORWARDED_HEADER, "Forwarded"),
    ];
    assert_eq!(variables.len(), ALL.len());
    let limiter = read(&variables).await.unwrap();
    assert_eq!(
        limiter.response_settings().header_style,
        HeaderStyle::XRateLimit
    );
    assert_eq!(
        limiter.response_settings().retry_after_style,
        RetryAfterStyle::HttpDate
    );
    let response = limiter.response_settings();
    assert_eq!(response.retry_jitter, Duration::from_secs(2));
    assert_eq!(response.exceeds_capacity_status.as_u16(), 413);
    assert!(response.response_info);
    assert_eq!(limiter.0.max_waiting, 16);
    assert_eq!(limiter.0.ipv6_prefix, 56);
    assert!(limiter.trusted_proxies().is_some());
    assert_eq!(limiter.stats().level, StatsLevel::Detailed);
    let policies = limiter.policies();
    assert!(policies.iter().all(|policy| policy.is_dry_run));
}

#[tokio::test]
async fn booleans_are_booleans() {
    let request = http::Request::new(()).into_parts().0;
    for (value, skips) in [("false", true), ("0", true), ("OFF", true), ("on", false)] {
        let limiter = read(&[(ENABLED, value)]).await.unwrap();
        assert_eq!(limiter.skips(&request), skips, "{value}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_variable_the_value_and_what_is_allowed() {
    for (variable, value, message) in [
        (
            ENABLED,
            "flase",
            "environment variable `RATE_LIMIT_ENABLED` is `flase`; allowed: `true`, `false`, `1`, \
             `0`, `yes`, `no`, `on`, `off`",
        ),
        (
            HEADERS,
            "github",
            "environment variable `RATE_LIMIT_HEADERS` is `github`; allowed: `ietf`, \
             `x-ratelimit`, `openai`, `both`, `off`",
        ),
        (
            ON_STORE_ERROR,
            "ignore",
            "environment variable `RATE_LIMIT_ON_STORE_ERROR` is `ignore`; allowed: `local`, \
             `allow`, `deny`",
        ),
        (
            MAX_KEYS,
            "0",
            "environment variable `RATE_LIMIT_MAX_KEYS` is `0`; allowed: a whole number, at least \
             1, such as `1_000_000`",
        ),
        (
            DEADLINE,
            "80",
            "environment variable `RATE_LIMIT_DEADLINE` is `80`; allowed: a number and a unit, \
             such as `80ms` or `0.1s`; at least 1ms",
        ),
        (
            DRAIN_TIME,
            "soon",
            "environment variable `RATE_LIMIT_DRAIN_TIME` is `soon`; allowed: a number and a \
             unit, such as `2s` or `500ms`",
        ),
        (
            IPV6_PREFIX,
            "32",
            "environment variable `RATE_LIMIT_IPV6_PREFIX` is `32`; allowed: a whole number from \
             48 to 64",
        ),
        (
            STATS,
            "all",
            "environment variable `RATE_LIMIT_STATS` is `all`; allowed: `off`, `totals`, `detailed`",
        ),
        (
            WHEN_FULL,
            "evict",
            "environment variable `RATE_LIMIT_WHEN_FULL` is `evict`; allowed: \
             `forget-least-used`, `share`",
        ),
        (
            STORE_PREFIX,
            "{app}",
            "environment variable `RATE_LIMIT_PREFIX` is `{app}`; allowed: at least one \
             character, and neither `{` and `}` nor control characters, such as `inference`",
        ),
        (
            FORWARDED_HEADER,
            "Forwarded",
            "environment variable `RATE_LIMIT_FORWARDED_HEADER` is `Forwarded`; allowed: no value \
             without `RATE_LIMIT_TRUSTED_PROXIES`; set it to the networks of the proxies that send \
             this header, such as `10.0.0.0/8`",
        ),
    ] {
        assert_eq!(read(&[(variable, value)]).await.unwrap_err(), message);
    }
}

#[tokio::test]
async fn main_shows_the_text_of_an_error() {
    let error = Limiter::from_variables([(ENABLED, "flase")]).await;
    let error = error.unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let error = Limiter::connect("mysql://h").await.unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let error = InstallError::AlreadyUsed;
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[tokio::test]
async fn bad_networks_stores_and_names_are_refused_at_start_up() {
    for (variable, value, parts) in [
        (
            TRUSTED_PROXIES,
            "10.0.0.0/33",
            ["RATE_LIMIT_TRUSTED_PROXIES", "10.0.0.0/33"],
        ),
        (
            TRUSTED_PROXIES,
            "0.0.0.0/0",
            ["RATE_LIMIT_TRUSTED_PROXIES", "0.0.0.0/0"],
        ),
        (STORE, "mysql://h", ["RATE_LIMIT_STORE", "mysql://h"]),
        (
            "RATE_LIMIT_ENABLE",
            "true",
            ["RATE_LIMIT_ENABLE", "RATE_LIMIT_ENABLED"],
        ),
    ] {
        let message = read(&[(variable, value)]).await.unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
}
