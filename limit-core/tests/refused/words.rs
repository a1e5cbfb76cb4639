//! Words between count and window, and strings that are not limits at all.

use limit_core::ParseErrorKind as Kind;

use crate::{between_marks, refuses};

#[test]
fn an_empty_string_is_refused() {
    let text = "empty limit string: \
                write one limit or several, as `10/minute` or `10/second; 100/minute`";
    refuses("«»", Kind::Empty, None, text);
    refuses("«  \n»", Kind::Empty, None, text);
}

#[test]
fn a_missing_slash_is_refused() {
    for (marked, instead) in [
        ("«10 minute»", "10/minute"),
        ("«10minute»", "10/minute"),
        ("«10s»", "10/s"),
        ("10/second; «1_000  min»", "1_000/min"),
        ("«10 5» minutes", "10/5"),
        ("«10 minuet»", "10/minute"),
        ("10 «pre» minute", "per"),
        ("10 «every» minute", "per"),
        ("10 «a» minute", "per"),
        ("10 «in» 5 minutes", "per"),
    ] {
        let found = between_marks(marked);
        let text = format!("missing `/` or `per` at `{found}`: write `{instead}`");
        refuses(marked, Kind::MissingPer, Some(instead), &text);
    }
}

#[test]
fn a_repeated_slash_is_refused() {
    for (marked, found) in [
        ("10/«/»minute", "/"),
        ("10 per «per» minute", "per"),
        ("10 per «/» minute", "/"),
        ("10/«PER» minute", "PER"),
    ] {
        let text = format!(
            "repeated `{found}`: \
             write `/` or `per` once between count and window; remove this one",
        );
        refuses(marked, Kind::RepeatedPer, Some(""), &text);
    }
}

#[test]
fn anything_else_after_the_count_is_refused() {
    let expected = "`/` or `per` after the count, as in `10/minute`";
    for (marked, found) in [
        ("10«:»minute", ":"),
        ("10«-»20/minute", "-"),
        ("10 «apples» minute", "apples"),
        ("1«e»3/minute", "e"),
        ("10«\\»minute", "\\"),
        ("10«\0»", "\\x00"),
    ] {
        let text = format!("unexpected `{found}`: expected {expected}");
        refuses(marked, Kind::Unexpected { expected }, None, &text);
    }
}

#[test]
fn characters_outside_ascii_are_refused() {
    for (marked, named) in [
        ("10/«µ»s", "`µ` (U+00B5)"),
        ("10«∕»minute", "`∕` (U+2215)"),
        ("«１»0/minute", "`１` (U+FF11)"),
        ("10\t/«\u{a0}»minute", "U+00A0"),
        ("«\u{feff}»10/minute", "U+FEFF"),
        ("10/minute«\u{202e}»", "U+202E"),
        ("«\u{10fffd}»", "U+10FFFD"),
        ("10/minute «🚀»🚀", "`🚀` (U+1F680)"),
    ] {
        let text =
            format!("unexpected character {named}: only ASCII is allowed, as in `10/minute`");
        refuses(marked, Kind::NotAscii, None, &text);
    }
}
