//! Counts, and numbers in general.

use limit_core::{MAX_COUNT, ParseErrorKind as Kind};

use crate::{between_marks, refuses};

const RANGE: &str = "a count is a whole number from 1 to 999_999_999_999_999";

#[test]
fn a_zero_count_is_refused() {
    for (marked, found) in [
        ("«0»/minute", "0"),
        ("10/second; «00»/minute", "00"),
        ("«0_0»/s", "0_0"),
        ("«0.0»/s", "0.0"),
    ] {
        let text = format!("zero count `{found}`: {RANGE}");
        refuses(marked, Kind::ZeroCount, None, &text);
    }
}

#[test]
fn a_count_above_the_maximum_is_refused() {
    let kind = Kind::CountTooLarge { max: MAX_COUNT };
    refuses(
        "«1_000_000_000_000_000»/minute",
        kind,
        None,
        &format!("count `1_000_000_000_000_000` is too large: {RANGE}"),
    );
    refuses(
        "«18446744073709551616»/minute",
        kind,
        None,
        &format!("count `18446744073709551616` is too large: {RANGE}"),
    );
    refuses(
        "«99999999999999999999999999999999999999999»/minute",
        kind,
        None,
        &format!("count `999999999999999999999999999…` is too large: {RANGE}"),
    );
}

#[test]
fn a_number_below_zero_is_refused() {
    let help = "counts and windows are whole numbers from 1 up, as `10/5 minutes`";
    refuses(
        "«-1»/s",
        Kind::Negative,
        None,
        &format!("negative number `-1`: {help}"),
    );
    refuses(
        "10/«-5» s",
        Kind::Negative,
        None,
        &format!("negative number `-5`: {help}"),
    );
}

#[test]
fn a_fraction_of_a_count_is_refused_with_whole_numbers_that_mean_the_same() {
    for (marked, instead) in [
        ("«1.5/s»", "3/2s"),
        ("«0.5 per second»", "1/2s"),
        ("«.5/s»", "1/2s"),
        ("«1.0/minute»", "1/minute"),
        ("«2./minute»", "2/minute"),
        ("«0.1/5 minutes»; 10/day", "1/50 minutes"),
        ("«2.25/100ms»", "9/400ms"),
    ] {
        let found = between_marks(marked);
        let text = format!(
            "fraction in `{found}`: counts and windows are whole numbers; write `{instead}`",
        );
        refuses(marked, Kind::Fraction, Some(instead), &text);
    }
}

#[test]
fn a_fraction_without_a_whole_equivalent_is_refused_all_the_same() {
    for marked in [
        "«1.5»/fortnight",
        "«1.5»k/minute",
        "«999999999999999.5»/s",
        "«0.5»/6 years",
        "«1.5»",
        "«0.0000001»/year",
        "«1.00000000000000000000001»/s",
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
fn a_comma_or_space_between_digits_is_refused() {
    for (marked, instead) in [
        ("«1,000»/hour", "1_000"),
        ("10/second; «10,000,000»/hour", "10_000_000"),
        ("«1 000»/hour", "1_000"),
        ("«1 000 000» per hour", "1_000_000"),
        ("10/«1,500»ms", "1_500"),
    ] {
        let found = between_marks(marked);
        let text = format!(
            "split digits in `{found}`: a comma or a space ends a number; write `{instead}`"
        );
        refuses(marked, Kind::SplitDigits, Some(instead), &text);
    }
    for marked in [
        "«1,5»/hour",
        "«1,00,000»/hour",
        "«1000,000»/hour",
        "«1_0,000»/hour",
    ] {
        let found = between_marks(marked);
        let text = format!(
            "split digits in `{found}`: a comma or a space ends a number; \
             a thousand is written `1_000`",
        );
        refuses(marked, Kind::SplitDigits, None, &text);
    }
}

#[test]
fn a_suffix_on_a_count_is_refused_with_the_number_written_out() {
    refuses(
        "«10k»/minute",
        Kind::NumberSuffix,
        Some("10_000"),
        "suffix on the number `10k`: a count has no suffix; write `10_000`",
    );
    refuses(
        "«1M» per day",
        Kind::NumberSuffix,
        Some("1_000_000"),
        "suffix on the number `1M`: a count has no suffix; write `1_000_000`",
    );
}

#[test]
fn a_misplaced_underscore_is_refused() {
    for (marked, instead) in [
        ("«_10»/s", "10"),
        ("«10_»/s", "10"),
        ("«1__000»/s", "1_000"),
        ("«__1__0__»/s", "1_0"),
        ("10/«_5» s", "5"),
        ("10/«5_»s", "5"),
    ] {
        let found = between_marks(marked);
        let text = format!(
            "misplaced underscore in `{found}`: \
             an underscore goes between two digits; write `{instead}`",
        );
        refuses(marked, Kind::MisplacedUnderscore, Some(instead), &text);
    }
}

#[test]
fn a_limit_begins_with_a_count() {
    for (marked, found) in [
        ("«/»minute", "/"),
        ("«per» minute", "per"),
        ("«minute»", "minute"),
        ("10/second; «/»minute", "/"),
    ] {
        let text = format!(
            "missing count before `{found}`: a limit is a count per window, as `10/minute`"
        );
        refuses(marked, Kind::MissingCount, None, &text);
    }
    let expected = "a count, as in `10/minute`";
    for (marked, found) in [
        ("«ten»/minute", "ten"),
        ("«unlimited»", "unlimited"),
        ("«+»5/minute", "+"),
        ("«_»/minute", "_"),
        ("«-»/minute", "-"),
        ("«.»/minute", "."),
        ("«\0»", "\\x00"),
        ("10/second; «\u{1b}»[0m", "\\x1B"),
    ] {
        let text = format!("unexpected `{found}`: expected {expected}");
        refuses(marked, Kind::Unexpected { expected }, None, &text);
    }
}
