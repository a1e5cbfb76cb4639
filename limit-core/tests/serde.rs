//! Limits in configuration.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use limit_core::{Limit, Limits, limits};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    limits: Limits,
    burst: Option<Limit>,
}

#[test]
fn limits_are_read_and_written_as_their_strings() {
    let config: Config =
        serde_json::from_str(r#"{"limits": "10/s, 100/minute", "burst": "5/s"}"#).unwrap();
    let expected = Config {
        limits: limits!("10/second; 100/minute"),
        burst: Some(limits!("5/second").first()),
    };
    assert_eq!(config, expected);
    assert_eq!(
        serde_json::to_string(&config).unwrap(),
        r#"{"limits":"10 per second; 100 per minute","burst":"5 per second"}"#,
    );
}

#[test]
fn a_known_unit_is_read_and_written() {
    let tokens: Limits = serde_json::from_str(r#""100_000 tokens/minute""#).unwrap();
    assert_eq!(tokens, limits!("100_000 tokens/minute"));
    let written = serde_json::to_string(&tokens).unwrap();
    assert_eq!(written, r#""100000 tokens per minute""#);
    let frames = limits!("10/minute", unit = "frames");
    let written = serde_json::to_string(&frames).unwrap();
    assert_eq!(written, r#""10 frames per minute""#);
    let error = serde_json::from_str::<Limits>(&written)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("unknown unit `frames`"), "{error}");
}

#[test]
fn a_string_that_is_not_limits_has_the_error_of_the_parser() {
    let error = serde_json::from_str::<Config>(r#"{"limits": "10/minuet"}"#).unwrap_err();
    let text = error.to_string();
    let expected = Limits::parse("10/minuet").unwrap_err().to_string();
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("`minuet`"), "{text}");
    assert!(text.contains("allowed: ms, second, minute"), "{text}");
}

#[test]
fn a_value_that_is_not_a_string_is_refused_with_an_example() {
    let error = serde_json::from_str::<Limits>("10")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("invalid type: integer `10`, expected limits, as `10/minute`"),
        "{error}"
    );
    let error = serde_json::from_str::<Limit>("null")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected a limit, as `10/minute`"),
        "{error}"
    );
}
