//! Settings in configuration files.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::http::HeaderName;
use limit_runtime::{
    HeaderNames, HeaderStyle, Limiter, Limits, Strategy, limits,
    store::{Fallback, StoreHealth},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{num::NonZeroU64, time::Duration};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    limits: Limits,
    strategy: Strategy,
    headers: HeaderStyle,
    fallback: Fallback,
}

fn read(value: &Value) -> Result<Config, String> {
    serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
}

fn example() -> Value {
    json!({
        "limits": "10 per second; 100 per minute",
        "strategy": "gcra(burst = 20)",
        "headers": "x-ratelimit",
        "fallback": "deny",
    })
}

#[test]
fn settings_are_read_and_written_as_their_strings() {
    let config = read(&example()).unwrap();
    let burst = NonZeroU64::new(20).unwrap();
    let expected = Config {
        limits: limits!("10/second; 100/minute"),
        strategy: Strategy::Gcra { burst },
        headers: HeaderStyle::XRateLimit,
        fallback: Fallback::Deny,
    };
    assert_eq!(config, expected);
    assert_eq!(serde_json::to_value(&config).unwrap(), example());
}

#[test]
fn every_value_is_written_as_it_is_read() {
    for strategy in [
        "moving_window",
        "fixed_window",
        "sliding_window",
        "gcra(burst = 7)",
    ] {
        let read: Strategy = serde_json::from_value(json!(strategy)).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), json!(strategy));
    }
    for style in ["ietf", "x-ratelimit", "openai", "both", "off"] {
        let read: HeaderStyle = serde_json::from_value(json!(style)).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), json!(style));
    }
    for fallback in ["local", "allow", "deny"] {
        let read: Fallback = serde_json::from_value(json!(fallback)).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), json!(fallback));
    }
    let spaced: Strategy = serde_json::from_value(json!("gcra( burst=1_000 )")).unwrap();
    let burst = NonZeroU64::new(1_000).unwrap();
    assert_eq!(spaced, Strategy::Gcra { burst });
}

#[test]
fn header_names_of_ones_own_are_a_map() {
    let map = json!({"limit": "x-quota", "remaining": "x-quota-left", "reset": "x-quota-reset"});
    let style: HeaderStyle = serde_json::from_value(map.clone()).unwrap();
    let expected = HeaderNames::new(
        HeaderName::from_static("x-quota"),
        HeaderName::from_static("x-quota-left"),
        HeaderName::from_static("x-quota-reset"),
    );
    assert_eq!(style, HeaderStyle::Named(Box::new(expected)));
    assert_eq!(serde_json::to_value(&style).unwrap(), map);
}

#[test]
fn an_error_names_what_was_found_and_what_is_allowed() {
    for (field, value, expected) in [
        (
            "limits",
            "10/minuet",
            "unknown unit `minuet`: did you mean `minute`? \
             allowed: ms, second, minute, hour, day, week, month, year",
        ),
        (
            "strategy",
            "leaky",
            "unknown strategy `leaky`: allowed: `moving_window`, `fixed_window`, `sliding_window`, \
             `gcra(burst = 10)`",
        ),
        (
            "strategy",
            "gcra",
            "`gcra` has no valid burst: write `gcra(burst = 10)`, with a whole number from 1 to \
             999999999999999",
        ),
        (
            "strategy",
            "gcra(burst = 1000000000000000)",
            "`gcra(burst = 1000000000000000)` has no valid burst",
        ),
        (
            "headers",
            "github",
            "unknown header style `github`: allowed: `ietf`, `x-ratelimit`, `openai`, `both`, `off`",
        ),
        (
            "fallback",
            "open",
            "unknown fallback `open`: allowed: `local`, `allow`, `deny`",
        ),
    ] {
        let mut config = example();
        config[field] = json!(value);
        let error = read(&config).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let mut config = example();
    config["headers"] = json!({"limit": "x quota", "remaining": "a", "reset": "b"});
    let error = read(&config).unwrap_err();
    assert!(
        error.starts_with("`x quota` is not a valid header name"),
        "{error}"
    );
}

#[test]
fn health_and_usage_are_written_for_reports() {
    let limiter = Limiter::new();
    let mut health = limiter.health();
    assert_eq!(
        serde_json::to_value(&health).unwrap(),
        json!({
            "store": "memory",
            "since_ms": 0,
            "last_error": null,
            "answered": 0,
            "failed": 0,
            "fallbacks": 0,
            "repeated_denials": 0,
            "local_refusals": 0,
            "late_charges": 0,
            "late_charges_dropped": 0,
            "outages": 0,
        })
    );
    health.store = StoreHealth::Down;
    health.since = Duration::from_millis(1_500);
    health.last_error = Some("no answer".into());
    let down = serde_json::to_value(&health).unwrap();
    assert_eq!(
        (&down["store"], &down["since_ms"], &down["last_error"]),
        (&json!("down"), &json!(1_500), &json!("no answer"))
    );
    assert_eq!(
        serde_json::to_value(limiter.usage()).unwrap(),
        json!({"keys": 0, "bytes": 0, "evicted": 0, "shared": 0, "permits": 0})
    );
}

/// The fields of a JSON value, with a star for the keys of maps with names from the program.
fn fields(value: &Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let is_by_route = path.ends_with("endpoints") || path.ends_with("routes");
            for (key, value) in map.iter().filter(|(key, _)| *key != "…") {
                let key = if is_by_route { "*" } else { key };
                fields(value, &format!("{path}.{key}"), found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, path, found)),
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[tokio::test]
async fn stats_have_the_documented_fields() {
    use axum::{Router, body::Body, extract::Request, routing::get};
    use limit_runtime::{everyone, rate_limit};
    use tower::ServiceExt;

    #[rate_limit("1/minute", key = everyone)]
    async fn predict() {}

    let limiter = Limiter::builder().stats(true).build();
    let app: Router = Router::new()
        .route("/predict", get(predict))
        .layer(limiter.layer());
    for _ in 0..128 {
        let request = Request::get("/predict").body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap();
    }
    let stats = serde_json::to_value(limiter.stats()).unwrap();
    assert_eq!(
        stats["endpoints"]["/predict"],
        json!({ "total": 128, "limited": 127 })
    );
    assert_eq!(stats["totals"], stats["endpoints"]["/predict"]);
    assert_eq!(stats["level"], "detailed");
    assert_eq!(stats["policies"][0]["requests"]["limited"], 127);
    assert_eq!(stats["policies"][0]["check_time_ns"]["count"], 2);
    assert_eq!(stats["policies"][0]["busiest"][0]["limited"], 127);

    let guide = include_str!("../../docs/OBSERVABILITY.md");
    let (_, json) = guide.split_once("```json\n").unwrap();
    let (json, _) = json.split_once("```").unwrap();
    let documented: Value = serde_json::from_str(json).unwrap();
    let [mut actual, mut expected] = [const { std::collections::BTreeSet::new() }; 2];
    fields(&stats, "", &mut actual);
    fields(&documented, "", &mut expected);
    // The guide shows a part of the counts by route.
    let by_route = |field: &String| !field.contains("routes");
    actual.retain(by_route);
    expected.retain(by_route);
    assert_eq!(actual, expected);
    assert_histograms_add_up(&documented["policies"][0]);
    assert_histograms_add_up(&stats["policies"][0]);
    let listed = guide.split("```json\n").nth(2).unwrap();
    let listed: Value = serde_json::from_str(listed.split_once("```").unwrap().0).unwrap();
    let policies = serde_json::to_value(limiter.policies()).unwrap();
    let [mut actual, mut expected] = [const { std::collections::BTreeSet::new() }; 2];
    fields(&policies[0], "", &mut actual);
    fields(&listed[0], "", &mut expected);
    assert_eq!(actual, expected);
    assert_eq!(policies[0]["limits"], "1 per minute");
    assert_eq!(policies[0]["routes"], json!(["/predict"]));
}

/// The numbers of the histograms of a policy fit each other and its requests.
fn assert_histograms_add_up(policy: &Value) {
    for name in ["utilization_percent", "check_time_ns"] {
        let histogram = &policy[name];
        let buckets = histogram["buckets"].as_array().unwrap();
        let counts = buckets
            .iter()
            .map(|bucket| bucket["count"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), histogram["count"], "{name}");
        for quantile in ["p50", "p99"] {
            let is_end = buckets
                .iter()
                .any(|bucket| bucket["le"] == histogram[quantile]);
            assert!(is_end, "{name} {quantile}");
        }
    }
    let checks = &policy["utilization_percent"]["count"];
    assert_eq!(checks, &policy["requests"]["total"]);
}
