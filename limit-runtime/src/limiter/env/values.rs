//! Numbers and times in environment variables.

use limit_core::{Limits, Window};
use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

/// The largest number of digits after a decimal point: microseconds are enough for all units.
const MAX_DECIMALS: usize = 6;

/// A type of whole numbers.
pub(super) trait Whole {
    const MAX: Self;
}

impl Whole for u8 {
    const MAX: Self = Self::MAX;
}
impl Whole for u16 {
    const MAX: Self = Self::MAX;
}
impl Whole for u32 {
    const MAX: Self = Self::MAX;
}
impl Whole for u64 {
    const MAX: Self = Self::MAX;
}
impl Whole for usize {
    const MAX: Self = Self::MAX;
}

/// Parses a whole number, in which `_` may separate digits.
pub(super) fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|c| c.is_ascii_digit() || c == b'_');
    is_number.then(|| text.replace('_', "").parse().ok())?
}

/// The numbers that are allowed, for an error.
pub(super) fn allowed_numbers<T>(range: &RangeInclusive<T>) -> String
where
    T: PartialOrd + fmt::Display + Whole,
{
    if *range.end() < T::MAX {
        format!("a whole number from {} to {}", range.start(), range.end())
    } else {
        let start = range.start();
        format!("a whole number, at least {start}, such as `1_000_000`")
    }
}

/// Parses a time: a number and a unit, spelled as in the window of a limit. The number may have a
/// decimal point.
pub(super) fn parse_time(text: &str) -> Option<Duration> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '_' | '.')))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let (whole, length) = (parse_number::<u64>(whole)?, decimals.len());
    if length > MAX_DECIMALS {
        return None;
    }
    let decimals = parse_number::<u64>(decimals)?;
    let unit_micros = unit_millis(unit.trim())?.checked_mul(1_000)?;
    let scale = 10_u64.pow(u32::try_from(length).ok()?);
    let part = decimals.checked_mul(unit_micros)? / scale;
    let micros = whole.checked_mul(unit_micros)?.checked_add(part)?;
    Some(Duration::from_micros(micros))
}

/// The length of a unit in milliseconds.
fn unit_millis(unit: &str) -> Option<u64> {
    if !unit.bytes().all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    let limits = Limits::parse(&format!("1/{unit}")).ok()?;
    let Window::Duration(unit) = limits.iter().next()?.window() else {
        return None;
    };
    u64::try_from(unit.as_millis()).ok()
}

/// The times that are allowed, for an error.
pub(super) fn allowed_times(min: Duration) -> String {
    if min.is_zero() {
        "a number and a unit, such as `2s` or `500ms`".to_owned()
    } else {
        format!("a number and a unit, such as `80ms` or `0.1s`; at least {min:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_as_windows() {
        for (text, micros) in [
            ("80ms", 80_000),
            ("0.1s", 100_000),
            ("0.0015 seconds", 1_500),
            ("1_000 ms", 1_000_000),
            ("2 Minutes", 120_000_000),
            ("1.5h", 5_400_000_000),
            ("0s", 0),
        ] {
            let time = Duration::from_micros(micros);
            assert_eq!(parse_time(text), Some(time), "{text}");
        }
        for text in [
            "",
            "80",
            "ms",
            "-1s",
            "1e3s",
            ".5s",
            "1.s",
            "1.2.3s",
            "1s; 2",
            "1 parsec",
            "0.1234567s",
            "99999999999999999999s",
            "999999999999999 years",
            "1s 2s",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_whole() {
        assert_eq!(parse_number("10_000"), Some(10_000_u64));
        for text in ["", "_1", "+1", "-1", "1.0", "1k", "18446744073709551616"] {
            assert_eq!(parse_number::<u64>(text), None, "{text}");
        }
    }
}
