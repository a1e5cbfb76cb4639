//! Properties of every input, on random ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::num::NonZeroU64;
use std::time::Duration;

use limit_core::{Limit, Limits, MAX_COUNT, MAX_WINDOW, ParseError, ParseErrorKind, Unit};
use proptest::prelude::*;
use test_support::random::Random;

fn frames() -> Unit {
    Unit::new("frames").unwrap()
}

/// What must be true of `input`, whatever it is.
fn holds(input: &str) -> Result<Limits, ParseError> {
    let result = Limits::parse(input);
    match &result {
        Ok(limits) => {
            assert_eq!(
                Limits::parse(&limits.to_string()).as_ref(),
                Ok(limits),
                "{input:?}"
            );
            assert_eq!(
                Limits::new(limits.as_slice()).map(|made| made.with_unit(limits.unit())),
                Ok(*limits),
                "{input:?}"
            );
        }
        Err(error) => {
            let found = input.get(error.span()).expect(input);
            match error.found().strip_suffix('…') {
                Some(head) if head.len() < found.len() => assert!(found.starts_with(head)),
                _ => assert_eq!(error.found(), found, "{input:?}"),
            }
            let text = error.to_string();
            assert!(!text.contains(char::is_control), "{input:?}: {text:?}");
            assert_eq!(
                text,
                format!("{}: {}", error.message(), error.help()),
                "cut: {input:?}"
            );
            assert!(text.len() < 400, "perhaps cut: {text:?}");
            assert!(Limit::parse(input).is_err());
            // A unit beside the string makes no other mistake right.
            if let Ok(limits) = Limits::parse_in(input, frames()) {
                let counted = matches!(
                    error.kind(),
                    ParseErrorKind::UnknownCountUnit | ParseErrorKind::OtherUnit { .. }
                );
                assert!(counted && limits.unit() == frames(), "{input:?}");
            }
        }
    }
    result
}

/// Following the suggestions of the errors ends in a string that parses.
fn suggestions_lead_on(input: &str) {
    let mut text = input.to_owned();
    for _ in 0..=input.len() {
        let Err(error) = Limits::parse(&text) else {
            return;
        };
        let Some(suggestion) = error.suggestion() else {
            return;
        };
        text.replace_range(error.span(), suggestion);
    }
    panic!("following the suggestions for {input:?} never ends: {text:?}");
}

const TOKENS: &[&str] = &[
    "1",
    "2",
    "5",
    "10",
    "100",
    "000",
    "0",
    "1_000",
    "_",
    ".",
    ",",
    ";",
    "|",
    "/",
    "per",
    "PER",
    "a",
    " ",
    " ",
    "\n",
    "-",
    "+",
    "&",
    "and",
    "k",
    "m",
    "s",
    "ms",
    "second",
    "minute",
    "minutes",
    "minuet",
    "hours",
    "day",
    "week",
    "months",
    "year",
    "10/minute",
    "5 per 5 s",
    "4294967296",
    "999999999999999",
    "1000000000000000",
    "99999999999999999999",
    "\u{a0}",
    "é",
    "🚀",
    "`",
    "\0",
    "every",
    "pre",
    "1.5",
    "tokens",
    "token",
    "tokns",
    "request",
    "frames",
    "gpu-hours",
    "5 tokens/s",
];

#[test]
fn no_sequence_of_tokens_breaks_a_promise() {
    let mut random = Random::new(0x9E37_79B9_7F4A_7C15);
    let mut accepted = 0;
    for _ in 0..150_000 {
        let input: String = (0..random.below(9)).map(|_| random.pick(TOKENS)).collect();
        accepted += u32::from(holds(&input).is_ok());
        suggestions_lead_on(&input);
    }
    assert!(
        accepted > 100,
        "only {accepted} were accepted: the alphabet is off"
    );
}

#[test]
fn no_change_to_a_good_string_breaks_a_promise() {
    let mut random = Random::new(0xD1B5_4A32_D192_ED03);
    let good = "10/second; 1_000 per 5 minutes, 5000/1 day | 9999/week";
    assert!(Limits::parse(good).is_ok());
    for _ in 0..100_000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.index(bytes.len());
            let byte = random.pick(b"0159 _.,;|/-smhdyper\n\0~");
            match random.below(3) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let input = String::from_utf8(bytes).unwrap();
        let _ = holds(&input);
        suggestions_lead_on(&input);
    }
}

#[test]
fn no_sequence_of_bytes_breaks_a_promise() {
    let mut random = Random::new(0x2545_F491_4F6C_DD1D);
    for _ in 0..100_000 {
        let bytes: Vec<u8> = (0..random.below(24))
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        let _ = holds(&String::from_utf8_lossy(&bytes));
        let ascii: String = bytes.iter().map(|byte| char::from(byte & 0x7F)).collect();
        let _ = holds(&ascii);
        suggestions_lead_on(&ascii);
    }
}

fn any_limit() -> impl Strategy<Value = Limit> {
    let max = u64::try_from(MAX_WINDOW.as_millis()).unwrap();
    let units = prop::sample::select(vec![1, 1_000, 60_000, 3_600_000, 86_400_000, 604_800_000]);
    let window = (1..=max, units).prop_map(|(millis, unit)| (millis / unit).max(1) * unit);
    let count = prop_oneof![1..1000_u64, 1..=MAX_COUNT, Just(MAX_COUNT)];
    (count, window).prop_filter_map("a count of 0", |(count, millis)| {
        Limit::new(NonZeroU64::new(count)?, Duration::from_millis(millis)).ok()
    })
}

fn any_unit() -> impl Strategy<Value = Unit> {
    let known = prop::sample::select(vec![
        Unit::REQUESTS,
        Unit::TOKENS,
        Unit::BYTES,
        Unit::CHARACTERS,
        Unit::IMAGES,
        Unit::SECONDS,
        Unit::CREDITS,
    ]);
    let own = "[a-z][a-z-]{0,14}[a-z]".prop_filter_map("per", |name| Unit::new(&name).ok());
    prop_oneof![known, own]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_limit_is_shown_as_it_is_read(limit in any_limit()) {
        prop_assert_eq!(Limit::parse(&limit.to_string()), Ok(limit));
        prop_assert_eq!(Limits::parse(&limit.to_string()), Ok(Limits::single(limit)));
    }

    #[test]
    fn limits_of_any_unit_are_shown_as_they_are_read(
        list in prop::collection::vec(any_limit(), 1..4),
        unit in any_unit(),
    ) {
        let Ok(limits) = Limits::new(&list) else { return Ok(()) };
        let limits = limits.with_unit(unit);
        let text = limits.to_string();
        prop_assert_eq!(Limits::parse_in(&text, unit), Ok(limits));
        match Limits::parse(&text) {
            Ok(read) => prop_assert_eq!(read, limits),
            Err(error) => {
                // Some names are a slip of `per`.
                let kinds = [ParseErrorKind::UnknownCountUnit, ParseErrorKind::MissingPer];
                prop_assert!(kinds.contains(&error.kind()), "{}", error);
            }
        }
        let without = Limits::new(&list).unwrap();
        prop_assert_eq!(Limits::parse_in(&without.to_string(), unit), Ok(limits));
        prop_assert_eq!(unit.as_str().parse(), Ok(unit));
        prop_assert_eq!(limits.as_slice(), without.as_slice());
    }

    #[test]
    fn several_limits_are_shown_as_they_are_read(list in prop::collection::vec(any_limit(), 0..10)) {
        let text = list.iter().map(Limit::to_string).collect::<Vec<_>>().join("; ");
        match Limits::new(&list) {
            Ok(limits) => {
                prop_assert_eq!(limits.to_string(), text.as_str());
                prop_assert_eq!(Limits::parse(&text), Ok(limits));
            }
            Err(_) => prop_assert!(Limits::parse(&text).is_err()),
        }
    }

    #[test]
    fn a_limit_is_redundant_exactly_when_another_refuses_all_that_it_would(
        a in any_limit(),
        b in any_limit(),
    ) {
        let redundant = |a: Limit, b: Limit| a.count() <= b.count() && a.window() >= b.window();
        let refused = Limits::new(&[a, b]).is_err();
        prop_assert_eq!(refused, redundant(a, b) || redundant(b, a));
    }
}
