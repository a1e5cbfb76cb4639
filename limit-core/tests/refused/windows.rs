//! Windows and their units.

use limit_core::{MAX_WINDOW, ParseErrorKind as Kind};

use crate::{between_marks, refuses};

#[test]
fn an_unknown_unit_is_refused_with_the_nearest_one() {
    for (marked, instead) in [
        ("10/«minuet»", "minute"),
        ("10/«mintue»", "minute"),
        ("10/«minuets»", "minutes"),
        ("10/«Minuts»", "minutes"),
        ("10/5 «secnds»", "seconds"),
        ("10/«huor»", "hour"),
        ("10/«dya»", "day"),
        ("10/«daily»", "day"),
        ("10/«hourly»", "hour"),
        ("10/«monthly»", "month"),
        ("10/«mo»", "month"),
        ("10/«mon»", "month"),
        ("10/«yaer»", "year"),
        ("10/«wek»", "week"),
        ("10/«milisecond»", "millisecond"),
    ] {
        let found = between_marks(marked);
        let text = format!("unknown unit `{found}`: did you mean `{instead}`? {{units}}");
        refuses(marked, Kind::UnknownUnit, Some(instead), &text);
    }
}

#[test]
fn an_unknown_unit_that_is_near_to_nothing_is_refused_with_the_list() {
    for marked in [
        "10/«fortnight»",
        "10/«q»",
        "10/«us»",
        "10/«xx»",
        "10/«request»",
        "10/«microseconds»",
        "10/5«x»10",
    ] {
        let found = between_marks(marked);
        let text = format!("unknown unit `{found}`: {{units}}");
        refuses(marked, Kind::UnknownUnit, None, &text);
    }
}

#[test]
fn a_count_without_a_window_is_refused() {
    for marked in [
        "«10»",
        "«10» ",
        "«10/»",
        "«10 per»",
        "10/s; «20 /» ",
        "«10/»; 20/minute",
        "«10»,",
    ] {
        let found = between_marks(marked);
        let text = format!(
            "missing window after `{found}`: \
             a limit is a count per window, as `10/minute` or `10 per 5 minutes`",
        );
        refuses(marked, Kind::MissingWindow, None, &text);
    }
}

#[test]
fn a_window_without_a_unit_is_refused() {
    for marked in [
        "10/«5»",
        "10 per «5» ; 20/minute",
        "10/«5»/minute",
        "10/«5»,20/minute",
    ] {
        let text = "missing unit after `5`: a window has a unit, as `5s` or `5 minutes`; {units}";
        refuses(marked, Kind::MissingUnit, None, text);
    }
}

#[test]
fn a_zero_window_is_refused() {
    for (marked, found) in [
        ("10/«0s»", "0s"),
        ("10 per «00 minutes»", "00 minutes"),
        ("10/«0.0 s»", "0.0 s"),
    ] {
        let text = format!("zero window `{found}`: a window is at least `1 ms`, as `10/second`");
        refuses(marked, Kind::ZeroWindow, None, &text);
    }
}

#[test]
fn a_window_that_is_too_long_is_refused() {
    for (marked, found) in [
        ("10/«11 years»", "11 years"),
        ("10/«3651d»", "3651d"),
        ("10/«315360000001ms»", "315360000001ms"),
        (
            "10/«18446744073709551615 years»",
            "18446744073709551615 years",
        ),
        (
            "10/«99999999999999999999999 y»",
            "99999999999999999999999 y",
        ),
    ] {
        let text = format!(
            "window `{found}` is too long: a window is at most `3650 days`, which is `10 years`",
        );
        refuses(marked, Kind::WindowTooLong { max: MAX_WINDOW }, None, &text);
    }
}

#[test]
fn a_fraction_of_a_window_is_refused_with_a_whole_one_that_means_the_same() {
    for (marked, instead) in [
        ("10/«1.5 minutes»", "90s"),
        ("10/«0.5s»", "500ms"),
        ("10/«.001 s»", "1ms"),
        ("10 per «1.0 hours»", "hour"),
        ("10/«2.5 d»", "60 hours"),
    ] {
        let found = between_marks(marked);
        let text = format!(
            "fraction in `{found}`: counts and windows are whole numbers; write `{instead}`",
        );
        refuses(marked, Kind::Fraction, Some(instead), &text);
    }
    for marked in [
        "10/«1.5ms»",
        "10/«10.5 years»",
        "10/«0.0000000000000000001y»",
    ] {
        let found = between_marks(marked);
        let text = format!(
            "fraction in `{found}`: counts and windows are whole numbers; \
             for 1.5 per second write `3/2s`",
        );
        refuses(marked, Kind::Fraction, None, &text);
    }
}

#[test]
fn a_window_begins_with_a_number_or_a_unit() {
    let expected = "a window, as in `10/minute` or `10/5 minutes`";
    for (marked, found) in [("10/«*»", "*"), ("10 per «-»minute", "-"), ("10/«.»s", ".")] {
        let text = format!("unexpected `{found}`: expected {expected}");
        refuses(marked, Kind::Unexpected { expected }, None, &text);
    }
}
