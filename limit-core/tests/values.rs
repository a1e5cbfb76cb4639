//! Limits made from values rather than strings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::time::Duration;

use limit_core::{
    Limit, LimitError, Limits, LimitsError, MAX_COUNT, MAX_LIMITS, MAX_WINDOW, Window,
};

fn limit(text: &str) -> Limit {
    text.parse().unwrap()
}

fn one_per(window: Duration) -> Result<Limit, LimitError> {
    Limit::new(NonZeroU64::MIN, window)
}

#[test]
fn a_window_is_at_least_a_millisecond() {
    assert!(one_per(Duration::from_millis(1)).is_ok());
    for window in [Duration::ZERO, Duration::from_nanos(999_999)] {
        assert_eq!(one_per(window), Err(LimitError::WindowTooShort { window }));
    }
    assert_eq!(
        one_per(Duration::ZERO).unwrap_err().to_string(),
        "a window of 0ns is too short: it has to be at least 1ms",
    );
}

#[test]
fn a_window_is_a_whole_number_of_milliseconds() {
    let window = Duration::from_micros(1_500);
    let error = one_per(window).unwrap_err();
    assert_eq!(error, LimitError::WindowNotWholeMillis { window });
    assert_eq!(
        error.to_string(),
        "a window of 1.5ms is too fine: it has to be a whole number of milliseconds",
    );
}

#[test]
fn a_window_is_at_most_ten_years() {
    assert_eq!(
        one_per(MAX_WINDOW).unwrap().window(),
        Window::Duration(MAX_WINDOW)
    );
    for window in [MAX_WINDOW + Duration::from_nanos(1), Duration::MAX] {
        assert_eq!(one_per(window), Err(LimitError::WindowTooLong { window }));
    }
    assert_eq!(
        one_per(MAX_WINDOW * 2).unwrap_err().to_string(),
        "a window of 630720000s is too long: it can be at most 315360000s (3650 days)",
    );
}

#[test]
fn a_count_is_at_most_the_largest_integer_of_a_structured_field() {
    let largest = NonZeroU64::new(MAX_COUNT).unwrap();
    let larger = NonZeroU64::new(MAX_COUNT + 1).unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(Limit::new(largest, second).unwrap().count(), largest);
    let error = Limit::new(larger, second).unwrap_err();
    assert_eq!(error, LimitError::CountTooLarge { count: larger });
    assert_eq!(
        error.to_string(),
        "a count of 1000000000000000 is too large: it can be at most 999999999999999",
    );
    assert_eq!(Limit::per_second(larger), Limit::per_second(largest));
    assert_eq!(Limit::per_day(NonZeroU64::MAX).count(), largest);
}

#[test]
fn limits_are_multiplied_for_tiers() {
    const FREE: Limits = limit_core::limits!("10/second; 100/minute");
    const PRO: Option<Limits> = FREE.checked_mul(10);
    assert_eq!(PRO, Limits::parse("100/second; 1000/minute").ok());
    assert_eq!(FREE.checked_mul(1), Some(FREE));
    assert_eq!(FREE.checked_mul(0), None);
    // The larger count is the one that passes the maximum.
    assert!(FREE.checked_mul(9_999_999_999_999).is_some());
    assert_eq!(FREE.checked_mul(10_000_000_000_000), None);
    assert_eq!(FREE.checked_mul(u64::MAX), None);
    let largest = Limits::single(limit("999_999_999_999_999/minute"));
    assert_eq!(largest.checked_mul(1), Some(largest));
    assert_eq!(largest.checked_mul(2), None);
}

#[test]
fn a_limit_keeps_its_count_and_window() {
    let limit = limit("999_999_999_999_999/3650 days");
    assert_eq!(limit.window(), Window::Duration(MAX_WINDOW));
    assert_eq!(limit.window().as_duration(), Some(MAX_WINDOW));
    assert_eq!(limit.count().get(), MAX_COUNT);
}

#[test]
fn there_is_at_least_one_limit() {
    assert_eq!(Limits::new(&[]), Err(LimitsError::Empty));
    assert_eq!(
        LimitsError::Empty.to_string(),
        "the list of limits is empty: at least one limit is required"
    );
}

#[test]
fn there_are_at_most_eight_limits() {
    let many: Vec<Limit> = (1..=9_u64)
        .map(|n| limit(&format!("{n}/{n}s")))
        .map(|l| {
            let window = l.window_millis() * l.count().get();
            Limit::new(l.count(), Duration::from_millis(window)).unwrap()
        })
        .collect();
    assert_eq!(
        Limits::new(&many[..MAX_LIMITS]).unwrap().as_slice(),
        &many[..8]
    );
    let error = Limits::new(&many).unwrap_err();
    assert_eq!(error, LimitsError::TooMany { max: 8, found: 9 });
    assert_eq!(
        error.to_string(),
        "9 limits are too many: at most 8 are allowed"
    );
}

#[test]
fn no_limit_occurs_twice() {
    let limit = limit("10/minute");
    let error = Limits::new(&[limit, limit]).unwrap_err();
    assert_eq!(error, LimitsError::Duplicate { limit });
    assert_eq!(
        error.to_string(),
        "`10 per minute` occurs twice: remove one of them"
    );
}

#[test]
fn no_limit_is_redundant() {
    let (redundant, stricter) = (limit("100/minute"), limit("10/minute"));
    for limits in [[redundant, stricter], [stricter, redundant]] {
        let error = LimitsError::Redundant {
            limit: redundant,
            stricter,
        };
        assert_eq!(Limits::try_from(&limits[..]), Err(error));
    }
}

#[test]
fn limits_are_equal_and_hash_alike_when_their_limits_are() {
    let parsed = Limits::parse("10/second; 100/minute").unwrap();
    let made = Limits::new(&[limit("10/s"), limit("100/60s")]).unwrap();
    assert_eq!(parsed, made);
    assert_eq!(HashSet::from([parsed, made]).len(), 1);

    assert_ne!(parsed, Limits::parse("100/minute; 10/second").unwrap());
    assert_ne!(
        Limits::parse("1/s").unwrap(),
        Limits::parse("1/s; 2/2s").unwrap_or(parsed)
    );
    assert_eq!(Limits::from(limit("1/s")), Limits::parse("1/s").unwrap());
}

#[test]
fn the_helpers_look_at_every_limit() {
    let limits = Limits::parse("500/hour; 10/second; 100/minute").unwrap();
    assert_eq!(limits.first(), limit("500/hour"));
    assert_eq!(limits.min_count().get(), 10);
    assert_eq!(limits.longest_window(), Duration::from_secs(3_600));
    assert_eq!(limits.iter().count(), limits.len());
    assert!(limits.into_iter().eq(limits.as_slice()));
}

#[test]
fn values_are_shown_in_canonical_form() {
    let limits = Limits::parse("10/s; 100/m").unwrap();
    assert_eq!(format!("{limits}"), "10 per second; 100 per minute");
    assert_eq!(
        format!("{limits:?}"),
        "Limits(10 per second; 100 per minute)"
    );
    assert_eq!(format!("{:?}", limits.first()), "Limit(10 per second)");
    assert_eq!(format!("{:>18}|", limits.first()), "     10 per second|");
}

#[test]
fn values_and_errors_are_small() {
    assert_eq!(size_of::<Limit>(), 16);
    // The number of limits, and their scale.
    assert!(size_of::<Limits>() <= 16 * MAX_LIMITS + 32);
    assert!(size_of::<limit_core::ParseError>() <= 128);
}
