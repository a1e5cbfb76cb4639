//! The parser and the constructors in constants.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU64;
use std::time::Duration;

use limit_core::{Limit, Limits, MAX_COUNT, ParseError, Unit, limits};

const TEN: NonZeroU64 = NonZeroU64::new(10).unwrap();

#[test]
fn a_string_is_read_in_a_constant() {
    const READ: Result<Limits, ParseError> = Limits::parse("10/second; 100/minute");
    const REFUSED: Result<Limits, ParseError> = Limits::parse("10/minuet");
    const ONE: Result<Limit, ParseError> = Limit::parse("10/second");
    assert_eq!(READ, Limits::parse("10/second; 100/minute"));
    assert_eq!(REFUSED, Limits::parse("10/minuet"));
    assert_eq!(ONE, Ok(Limit::per_second(TEN)));
}

#[test]
fn limits_are_made_in_a_constant() {
    const SECOND: Limit = Limit::per_second(TEN);
    const HOUR: Limit = match Limit::new(
        NonZeroU64::new(MAX_COUNT).unwrap(),
        Duration::from_secs(3_600),
    ) {
        Ok(limit) => limit,
        Err(_) => SECOND,
    };
    const BOTH: Limits = match Limits::new(&[SECOND, HOUR]) {
        Ok(limits) => limits,
        Err(_) => Limits::single(SECOND),
    };
    const SMALLEST: NonZeroU64 = BOTH.min_count();
    assert_eq!(BOTH.to_string(), "10 per second; 999999999999999 per hour");
    assert_eq!(SMALLEST, TEN);
}

#[test]
fn the_macro_takes_any_constant_string() {
    const TEXT: &str = "10/second";
    const CHECKED: Limits = limits!(TEXT);
    static STATIC: Limits = limits!("10/second",);
    let joined = limits!(concat!("10", "/", "second"));
    assert_eq!(CHECKED, STATIC);
    assert_eq!(CHECKED, joined);
}

#[test]
fn the_macro_takes_a_unit_beside_the_string() {
    const UNIT: &str = "frames";
    const LIMITS: Limits = limits!("10/second; 100 frames/minute", unit = UNIT);
    static OTHER: Limits = limits!("10/second; 100/minute", unit = "frames",);
    const MADE: Limits = match Unit::new("frames") {
        Ok(unit) => limits!("10/second; 100/minute").with_unit(unit),
        Err(_) => limits!("1/second"),
    };
    assert_eq!(LIMITS, OTHER);
    assert_eq!(LIMITS, MADE);
    assert_eq!(limits!("5/s", unit = "token"), limits!("5 tokens/s"));
}

#[test]
fn the_macro_fails_if_the_unit_is_none_or_another_one() {
    for (text, unit, expected) in [
        ("10/second", "Frames", "`Frames` is not a unit"),
        (
            "10 tokens/second",
            "frames",
            "another unit in `10 tokens/second`",
        ),
        ("10/minuet", "frames", "unknown unit `minuet`"),
    ] {
        let checked = || limit_core::__private::checked_in(text, unit);
        let message = std::panic::catch_unwind(checked).unwrap_err();
        let message = message.downcast::<String>().unwrap();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn the_macro_works_twice_in_one_place() {
    const BOTH: [Limits; 2] = [limits!("1/s"), limits!("2/s")];
    assert_ne!(BOTH[0], BOTH[1]);
}

#[test]
fn the_slowest_string_is_within_the_budget_of_the_compiler() {
    const SLOW: Limits = limits!(
        "1 per 1 milliseconds; 2 per 4 milliseconds; 3 per 9 milliseconds; \
         4 per 16 milliseconds; 5 per 25 milliseconds; 6 per 36 milliseconds; \
         7 per 49 milliseconds; 8 per 64 milliseconds"
    );
    assert_eq!(SLOW.len(), 8);
    const SLOW_UNIT: Limits = limits!(
        "1 credits per 1 milliseconds; 2 credits per 4 milliseconds; \
         3 credits per 9 milliseconds; 4 credits per 16 milliseconds; \
         5 credits per 25 milliseconds; 6 credits per 36 milliseconds; \
         7 credits per 49 milliseconds; 8 credits per 64 milliseconds"
    );
    assert_eq!(SLOW_UNIT.unit(), Unit::CREDITS);
}

#[test]
fn the_macro_fails_with_the_whole_message() {
    let panic = std::panic::catch_unwind(|| limit_core::__private::checked("10/minuet"));
    let message = panic.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(
        *message,
        Limits::parse("10/minuet").unwrap_err().to_string()
    );
}
