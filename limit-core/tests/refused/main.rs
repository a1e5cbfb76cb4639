//! Every way in which a string is refused: where, why, and in which words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use limit_core::{Limits, ParseErrorKind};

mod lists;
mod numbers;
mod units;
mod windows;
mod words;

const UNITS: &str = "allowed: ms, second, minute, hour, day, week, month, year";

/// Holds that a string is refused. `marked` is the string with `«»` around the expected span;
/// `{units}` at the end of `text` is replaced by the list of allowed units.
#[track_caller]
fn refuses(marked: &str, kind: ParseErrorKind, suggestion: Option<&str>, text: &str) {
    let start = marked.find('«').unwrap();
    let end = marked.find('»').unwrap() - '«'.len_utf8();
    let input = marked.replace(['«', '»'], "");
    let error = Limits::parse(&input).expect_err(&input);
    let text = text.replace("{units}", UNITS);

    assert_eq!(error.to_string(), text, "from {input:?}");
    assert_eq!(error.span(), start..end, "from {input:?}");
    assert_eq!(error.kind(), kind, "from {input:?}");
    assert_eq!(error.suggestion(), suggestion, "from {input:?}");
    assert_eq!(format!("{}: {}", error.message(), error.help()), text);

    if let Some(suggestion) = suggestion {
        let mut corrected = input.clone();
        corrected.replace_range(start..end, suggestion);
        let rest = Limits::parse(&corrected);
        assert!(
            rest.is_ok(),
            "{input:?} corrected to {corrected:?}: {rest:?}"
        );
    }
}

fn between_marks(marked: &str) -> &str {
    marked.split(['«', '»']).nth(1).unwrap()
}
