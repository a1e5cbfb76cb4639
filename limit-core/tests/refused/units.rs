//! Units behind counts.

use limit_core::{Limit, Limits, ParseErrorKind as Kind, Unit};

use crate::{between_marks, refuses};

const KNOWN: &str = "known: requests, tokens, bytes, characters, images, seconds, credits; \
                     another one is set beside the string, as";

#[test]
fn an_unknown_unit_is_refused_with_the_nearest_one() {
    for (marked, instead) in [
        ("5 «tokns»/minute", "tokens"),
        ("10 «req»/min", "requests"),
        ("10 «reqs» per minute", "requests"),
        ("10«rqeuests»/minute", "requests"),
        ("5 «tok»/minute", "tokens"),
        ("5 «chars»/minute", "characters"),
        ("10 «sec»/hour", "seconds"),
        ("5 «imgae»/minute", "images"),
        ("5 tokens/minute; 9 «tokesn»/day", "tokens"),
    ] {
        let found = between_marks(marked);
        let text = format!(
            "unknown unit `{found}`: did you mean `{instead}`? {KNOWN} `unit = \"frames\"`"
        );
        refuses(marked, Kind::UnknownCountUnit, Some(instead), &text);
    }
}

#[test]
fn an_unknown_unit_that_is_near_to_nothing_is_refused_with_the_list() {
    for (marked, unit) in [
        ("10 «frames»/minute", "frames"),
        ("10 «Frames» per minute", "frames"),
        ("10 «gpu-hours»/minute", "gpu-hours"),
        ("10 «minutes»/hour", "minutes"),
        ("10 «m»/hour", "m"),
        ("10 «abcdefghijklmnopq»/hour", "frames"),
    ] {
        let found = between_marks(marked);
        let text = format!("unknown unit `{found}`: {KNOWN} `unit = \"{unit}\"`");
        refuses(marked, Kind::UnknownCountUnit, None, &text);
    }
}

#[test]
fn two_units_in_one_string_are_refused() {
    let kind = |expected, found| Kind::OtherUnit { expected, found };
    let help = |expected, found| {
        format!(
            "limits that are read together count one unit, here `{expected}`; \
             limits in `{found}` need an attribute or a layer of their own, with another `name`"
        )
    };
    for (marked, expected, found) in [
        (
            "5 tokens/minute; «60 requests/day»",
            Unit::TOKENS,
            Unit::REQUESTS,
        ),
        (
            "60/minute; «5_000 tokens/day»",
            Unit::REQUESTS,
            Unit::TOKENS,
        ),
        ("5 bytes/s, «6 image per day»", Unit::BYTES, Unit::IMAGES),
    ] {
        let text = format!(
            "another unit in `{}`: {}",
            between_marks(marked),
            help(expected, found)
        );
        refuses(marked, kind(expected, found), None, &text);
    }
}

#[test]
fn a_limit_without_the_unit_of_the_others_is_refused_with_it() {
    let kind = Kind::OtherUnit {
        expected: Unit::TOKENS,
        found: Unit::REQUESTS,
    };
    let text = "another unit in `9000/day`: \
                limits that are read together count one unit, here `tokens`; \
                write `9000 tokens/day`; \
                limits in `requests` need an attribute or a layer of their own, with another `name`";
    refuses(
        "5 tokens/minute; «9000/day»",
        kind,
        Some("9000 tokens/day"),
        text,
    );
    let text = text.replace("9000/day", "9000 per 2  days");
    let text = text.replace("9000 tokens/day", "9000 tokens per 2  days");
    let suggestion = Some("9000 tokens per 2  days");
    refuses(
        "5 tokens/minute; «9000 per 2  days»",
        kind,
        suggestion,
        &text,
    );
}

#[test]
fn other_mistakes_are_found_behind_a_unit() {
    refuses(
        "«10 tokens»",
        Kind::MissingWindow,
        None,
        "missing window after `10 tokens`: \
         a limit is a count per window, as `10/minute` or `10 per 5 minutes`",
    );
    refuses(
        "«10 tokens minute»",
        Kind::MissingPer,
        Some("10 tokens/minute"),
        "missing `/` or `per` at `10 tokens minute`: write `10 tokens/minute`",
    );
    refuses(
        "«10 tokens 5» minutes",
        Kind::MissingPer,
        Some("10 tokens/5"),
        "missing `/` or `per` at `10 tokens 5`: write `10 tokens/5`",
    );
    refuses(
        "10 tokens «every» minute",
        Kind::MissingPer,
        Some("per"),
        "missing `/` or `per` at `every`: write `per`",
    );
    refuses(
        "«10k» tokens/minute",
        Kind::NumberSuffix,
        Some("10_000"),
        "suffix on the number `10k`: a count has no suffix; write `10_000`",
    );
    refuses(
        "«1 000» tokens/minute",
        Kind::SplitDigits,
        Some("1_000"),
        "split digits in `1 000`: a comma or a space ends a number; write `1_000`",
    );
    refuses(
        "«1.5 tokens/s»",
        Kind::Fraction,
        Some("3 tokens/2s"),
        "fraction in `1.5 tokens/s`: counts and windows are whole numbers; write `3 tokens/2s`",
    );
    refuses(
        "«10 seconds»",
        Kind::MissingPer,
        Some("10/seconds"),
        "missing `/` or `per` at `10 seconds`: write `10/seconds`",
    );
}

#[test]
fn limits_of_a_given_unit_name_no_other_one() {
    let frames = Unit::new("frames").unwrap();
    let error = Limits::parse_in("10/s; 60 tokens/minute", frames).unwrap_err();
    let kind = Kind::OtherUnit {
        expected: frames,
        found: Unit::TOKENS,
    };
    assert_eq!((error.kind(), error.found()), (kind, "60 tokens/minute"));
    let error = Limits::parse_in("10 requests/s", frames).unwrap_err();
    assert!(matches!(error.kind(), Kind::OtherUnit { .. }), "{error}");
}

#[test]
fn a_single_limit_has_no_unit() {
    assert_eq!(Limit::parse("10 requests/s"), Limit::parse("10/s"));
    let error = Limit::parse("10 tokens/s").unwrap_err();
    let kind = Kind::OtherUnit {
        expected: Unit::REQUESTS,
        found: Unit::TOKENS,
    };
    assert_eq!(error.kind(), kind);
}

#[test]
fn a_name_that_is_no_unit_is_refused() {
    for name in [
        "",
        "Frames",
        "abcdefghijklmnopq",
        "gpu seconds",
        "-frames",
        "frames-",
        "-",
        "frames2",
        "per",
        "größe",
        "a\nb",
    ] {
        let error = Unit::new(name).unwrap_err().to_string();
        assert!(error.ends_with("as `frames`"), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
        assert_eq!(name.parse::<Unit>().unwrap_err().to_string(), error);
    }
    for name in ["f", "abcdefghijklmnop", "gpu-seconds", "a-b-c"] {
        assert_eq!(Unit::new(name).unwrap().as_str(), name);
    }
}
