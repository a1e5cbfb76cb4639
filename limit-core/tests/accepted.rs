//! Every form that the grammar accepts, beside its canonical form.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use limit_core::{Limit, Limits};

#[track_caller]
fn reads(forms: &[(&str, &str)]) {
    for (form, canonical) in forms {
        match Limits::parse(form) {
            Ok(limits) => assert_eq!(limits.to_string(), *canonical, "from {form:?}"),
            Err(error) => panic!("{form:?}: {error}"),
        }
    }
}

#[test]
fn a_slash_or_per_goes_between_count_and_window() {
    reads(&[
        ("10/minute", "10 per minute"),
        ("10 per minute", "10 per minute"),
        ("10per minute", "10 per minute"),
        ("10/1 minute", "10 per minute"),
        ("10 per 1 minute", "10 per minute"),
    ]);
}

#[test]
fn a_window_may_be_several_units_long() {
    reads(&[
        ("5/300s", "5 per 5 minutes"),
        ("10 per 5 minutes", "10 per 5 minutes"),
        ("10/5 minutes", "10 per 5 minutes"),
        ("10/5minutes", "10 per 5 minutes"),
        ("10 per5min", "10 per 5 minutes"),
        ("1/1_500ms", "1 per 1500 ms"),
    ]);
}

#[test]
fn every_unit_has_short_forms_and_plurals() {
    let units: &[(&str, &str)] = &[
        ("ms msec msecs millis millisecond milliseconds", "ms"),
        ("s sec secs second seconds", "second"),
        ("m min mins minute minutes", "minute"),
        ("h hr hrs hour hours", "hour"),
        ("d day days", "day"),
        ("w wk wks week weeks", "week"),
        ("month months", "30 days"),
        ("y yr yrs year years", "365 days"),
    ];
    for (spellings, window) in units {
        for spelling in spellings.split(' ') {
            for form in [format!("7/{spelling}"), format!("7 per 1 {spelling}")] {
                reads(&[(&form, &format!("7 per {window}"))]);
            }
        }
    }
}

#[test]
fn a_known_unit_may_stand_behind_the_count() {
    reads(&[
        ("100_000 tokens/minute", "100000 tokens per minute"),
        ("5 token/minute", "5 tokens per minute"),
        ("1 tokens per minute", "1 token per minute"),
        ("10tokens/5 minutes", "10 tokens per 5 minutes"),
        ("10 TOKENS per Minute", "10 tokens per minute"),
        ("60 requests/minute", "60 per minute"),
        ("1 request/second; 60/minute", "1 per second; 60 per minute"),
        ("10 bytes/s", "10 bytes per second"),
        ("10 characters/s", "10 characters per second"),
        ("10 image/s", "10 images per second"),
        ("10 credits/s", "10 credits per second"),
        (
            "100_000 tokens/minute; 2_000_000 tokens/day",
            "100000 tokens per minute; 2000000 tokens per day",
        ),
    ]);
}

#[test]
fn seconds_are_a_unit_before_per_and_a_window_behind_it() {
    reads(&[
        ("300 seconds/hour", "300 seconds per hour"),
        ("300seconds per hour", "300 seconds per hour"),
        ("1 second / hour", "1 second per hour"),
        ("300 seconds/30 seconds", "300 seconds per 30 seconds"),
        ("10/30 seconds", "10 per 30 seconds"),
        ("10 per 5 seconds", "10 per 5 seconds"),
        ("10/second", "10 per second"),
    ]);
}

#[test]
fn case_does_not_matter() {
    reads(&[
        ("10 PER Minute", "10 per minute"),
        ("10/M", "10 per minute"),
        ("10/5 MS", "10 per 5 ms"),
    ]);
}

#[test]
fn whitespace_around_tokens_does_not_matter() {
    reads(&[
        ("  10 /  minute ", "10 per minute"),
        ("\t10\n/\r\n5\x0C minutes\n", "10 per 5 minutes"),
        ("10/second;100/minute", "10 per second; 100 per minute"),
        (
            " 10/second \n ; \n 100/minute ",
            "10 per second; 100 per minute",
        ),
    ]);
}

#[test]
fn limits_are_separated_by_a_semicolon_a_comma_or_a_bar() {
    reads(&[
        ("1/s; 2/m", "1 per second; 2 per minute"),
        ("1/s, 2/m", "1 per second; 2 per minute"),
        ("1/s,2/m", "1 per second; 2 per minute"),
        ("1/s | 2/m", "1 per second; 2 per minute"),
        (
            "1/s; 2/m, 3/h|4/d",
            "1 per second; 2 per minute; 3 per hour; 4 per day",
        ),
    ]);
}

#[test]
fn the_declared_order_is_kept() {
    reads(&[("100/minute; 10/second", "100 per minute; 10 per second")]);
}

#[test]
fn an_underscore_may_stand_between_two_digits() {
    reads(&[
        ("1_000/hour", "1000 per hour"),
        ("1_0_0/6_0s", "100 per minute"),
    ]);
}

#[test]
fn leading_zeros_are_only_zeros() {
    reads(&[
        ("010/minute", "10 per minute"),
        (
            "1/0000000000000000000000000000000000000001s",
            "1 per second",
        ),
    ]);
}

#[test]
fn the_bounds_themselves_are_accepted() {
    reads(&[
        ("1/ms", "1 per ms"),
        ("4294967296/second", "4294967296 per second"),
        ("999999999999999/ms", "999999999999999 per ms"),
        (
            "999_999_999_999_999/3650 days",
            "999999999999999 per 3650 days",
        ),
        ("0999999999999999/2 ms", "999999999999999 per 2 ms"),
        ("1/10 years", "1 per 3650 days"),
        ("1/315360000000ms", "1 per 3650 days"),
        (
            "1/s; 2/m; 3/h; 4/d; 5/w; 6/month; 7/y; 8/2y",
            "1 per second; 2 per minute; 3 per hour; 4 per day; 5 per week; \
             6 per 30 days; 7 per 365 days; 8 per 730 days",
        ),
    ]);
}

#[test]
fn a_window_is_shown_in_the_largest_unit_that_divides_it() {
    reads(&[
        ("1/1000ms", "1 per second"),
        ("1/999ms", "1 per 999 ms"),
        ("1/90s", "1 per 90 seconds"),
        ("1/3600s", "1 per hour"),
        ("1/36h", "1 per 36 hours"),
        ("1/48h", "1 per 2 days"),
        ("1/14d", "1 per 2 weeks"),
        ("1/2 months", "1 per 60 days"),
        ("1/364d", "1 per 52 weeks"),
    ]);
}

#[test]
fn one_limit_is_read_by_itself_too() {
    assert_eq!(Limit::parse("10/minute"), "10 per 60 s".parse::<Limit>());
    assert_eq!(
        Limit::parse(" 5/300s ").map(|limit| limit.to_string()),
        Ok("5 per 5 minutes".to_owned()),
    );
}
