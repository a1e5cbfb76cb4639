//! The parser and the constructors in constants.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU64;
use std::time::Duration;

use limit_core::{Limit, Limits, MAX_COUNT, ParseError, limits};

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
