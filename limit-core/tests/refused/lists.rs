//! Lists of limits.

use limit_core::{Limit, MAX_LIMITS, ParseErrorKind as Kind};

use crate::refuses;

fn limit(text: &str) -> Limit {
    text.parse().unwrap()
}

#[test]
fn a_separator_without_a_limit_on_both_sides_is_refused() {
    for (marked, found) in [
        ("10/minute«;»", ";"),
        ("10/minute «,» ", ","),
        ("«;»10/minute", ";"),
        (" «|» 10/minute", "|"),
        ("10/second;«;»100/minute", ";"),
        ("10/second ; «,» 100/minute", ","),
    ] {
        let text = format!(
            "stray separator `{found}`: a separator stands between two limits; remove this one",
        );
        refuses(marked, Kind::StraySeparator, Some(""), &text);
    }
}

#[test]
fn limits_without_a_separator_are_refused() {
    for (marked, instead) in [
        ("«10/second 100»/minute", "10/second; 100"),
        ("5/5ms; «10/second\n 100»/minute", "10/second; 100"),
        ("10/second «and» 100/minute", ";"),
        ("10/second «+» 100/minute", ";"),
        ("10/second «&» 100/minute", ";"),
    ] {
        let found = marked
            .split(['«', '»'])
            .nth(1)
            .unwrap()
            .replace('\n', "\\n");
        let text = format!(
            "missing separator between limits at `{found}`: \
             limits are separated by `;`; write `{instead}`",
        );
        refuses(marked, Kind::MissingSeparator, Some(instead), &text);
    }
}

#[test]
fn anything_else_after_a_limit_is_refused() {
    let expected = "the end, or `;` and another limit";
    for (marked, found) in [
        ("10/minute«/»user", "/"),
        ("10/minute «per» ip", "per"),
        ("10/minute«.»", "."),
        ("10/minute «#» comment", "#"),
        ("10/second«:» 100/minute", ":"),
    ] {
        let text = format!("unexpected `{found}`: expected {expected}");
        refuses(marked, Kind::Unexpected { expected }, None, &text);
    }
}

#[test]
fn more_limits_than_are_allowed_are_refused() {
    refuses(
        "1/s; 2/m; 3/h; 4/d; 5/w; 6/month; 7/y; 8/2y; «9 per 3 years»",
        Kind::TooMany { max: MAX_LIMITS },
        None,
        "`9 per 3 years` is one limit too many: \
         at most 8 are allowed; remove those that matter least",
    );
}

#[test]
fn a_second_limit_is_refused_where_one_is_wanted() {
    let error = Limit::parse("10/second; 100/minute").unwrap_err();
    assert_eq!(error.kind(), Kind::TooMany { max: 1 });
    assert_eq!(error.span(), 11..21);
    assert_eq!(
        error.to_string(),
        "`100/minute` is a second limit: only one is allowed here; remove the others",
    );
}

#[test]
fn the_same_limit_twice_is_refused() {
    for (marked, found) in [
        ("60/minute; «60/minute»", "60/minute"),
        ("60/minute, 2/second, «60 per 60s»", "60 per 60s"),
    ] {
        let text = format!(
            "`{found}` is there twice: the list already has `60 per minute`; remove this one",
        );
        let limit = limit("60/minute");
        refuses(marked, Kind::Duplicate { limit }, None, &text);
    }
}

#[test]
fn a_limit_that_never_binds_is_refused_wherever_it_stands() {
    for (marked, idle, stricter) in [
        ("10/minute; «100/minute»", "100/minute", "10 per minute"),
        ("«100/minute»; 10/minute", "100/minute", "10 per minute"),
        ("10/hour; «10/minute»", "10/minute", "10 per hour"),
        ("1/ms; «20/s» | 10/hour", "20/s", "10 per hour"),
        (
            "5/s; «30/15s»; 50/minute; 20/30s",
            "30/15s",
            "20 per 30 seconds",
        ),
    ] {
        let text = format!(
            "`{idle}` never binds: `{stricter}` always refuses first; \
             remove this limit, or give it a smaller count or a longer window",
        );
        let kind = Kind::NeverBinds {
            limit: limit(idle),
            stricter: limit(stricter),
        };
        refuses(marked, kind, None, &text);
    }
}
