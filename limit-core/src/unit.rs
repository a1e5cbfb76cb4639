//! Units of time: how they are spelled and how long they last.

use crate::text::Text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// The units as an error message lists them.
pub(crate) const ALLOWED: &str = "ms, second, minute, hour, day, week, month, year";

/// Every accepted spelling, in lower case. The names that a suggestion prefers come first.
pub(crate) const SPELLINGS: &[(&str, Unit)] = &[
    ("second", Unit::Second),
    ("minute", Unit::Minute),
    ("hour", Unit::Hour),
    ("day", Unit::Day),
    ("week", Unit::Week),
    ("month", Unit::Month),
    ("year", Unit::Year),
    ("millisecond", Unit::Millisecond),
    ("seconds", Unit::Second),
    ("minutes", Unit::Minute),
    ("hours", Unit::Hour),
    ("days", Unit::Day),
    ("weeks", Unit::Week),
    ("months", Unit::Month),
    ("years", Unit::Year),
    ("milliseconds", Unit::Millisecond),
    ("ms", Unit::Millisecond),
    ("msec", Unit::Millisecond),
    ("msecs", Unit::Millisecond),
    ("millis", Unit::Millisecond),
    ("s", Unit::Second),
    ("sec", Unit::Second),
    ("secs", Unit::Second),
    ("m", Unit::Minute),
    ("min", Unit::Minute),
    ("mins", Unit::Minute),
    ("h", Unit::Hour),
    ("hr", Unit::Hour),
    ("hrs", Unit::Hour),
    ("d", Unit::Day),
    ("w", Unit::Week),
    ("wk", Unit::Week),
    ("wks", Unit::Week),
    ("y", Unit::Year),
    ("yr", Unit::Year),
    ("yrs", Unit::Year),
];

/// The units that a window is written in. Months and years are not among them: "30 days" says
/// what is meant, "1 month" would leave a reader guessing.
const WRITTEN: [(Unit, &str, &str); 6] = [
    (Unit::Week, "week", "weeks"),
    (Unit::Day, "day", "days"),
    (Unit::Hour, "hour", "hours"),
    (Unit::Minute, "minute", "minutes"),
    (Unit::Second, "second", "seconds"),
    (Unit::Millisecond, "ms", "ms"),
];

impl Unit {
    pub(crate) const fn from_spelling(word: &str) -> Option<Self> {
        let mut i = 0;
        while i < SPELLINGS.len() {
            if word.eq_ignore_ascii_case(SPELLINGS[i].0) {
                return Some(SPELLINGS[i].1);
            }
            i += 1;
        }
        None
    }

    pub(crate) const fn millis(self) -> u64 {
        match self {
            Self::Millisecond => 1,
            Self::Second => 1_000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 7 * 86_400_000,
            Self::Month => 30 * 86_400_000,
            Self::Year => 365 * 86_400_000,
        }
    }
}

/// The largest unit that divides `millis`, which is not 0, evenly: how many of it, how their
/// number makes its name, and the unit itself.
const fn in_words(millis: u64) -> (u64, &'static str, Unit) {
    let mut i = 0;
    while i < WRITTEN.len() {
        let (unit, one, many) = WRITTEN[i];
        if millis.is_multiple_of(unit.millis()) {
            let number = millis / unit.millis();
            return (number, if number == 1 { one } else { many }, unit);
        }
        i += 1;
    }
    (millis, "ms", Unit::Millisecond)
}

impl<const N: usize> Text<N> {
    /// A window as it is written after `per`: `minute`, `500 ms`, `30 days`.
    pub(crate) const fn push_window(&mut self, millis: u64) {
        let (number, name, _) = in_words(millis);
        if number != 1 {
            self.push_number(number);
            self.push(" ");
        }
        self.push(name);
    }

    /// A window as people write it after a slash: `minute`, `2s`, `5 minutes`.
    pub(crate) const fn push_short_window(&mut self, millis: u64) {
        let (number, name, unit) = in_words(millis);
        let name = match unit {
            Unit::Second => "s",
            _ => name,
        };
        if number != 1 || matches!(unit, Unit::Millisecond) {
            self.push_number(number);
            if !matches!(unit, Unit::Second | Unit::Millisecond) {
                self.push(" ");
            }
        }
        self.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMMAR: &str = include_str!("grammar.md");

    #[test]
    fn the_documentation_lists_every_spelling() {
        for (spelling, _) in SPELLINGS {
            assert!(GRAMMAR.matches('`').count().is_multiple_of(2));
            let listed = GRAMMAR
                .split('`')
                .skip(1)
                .step_by(2)
                .any(|code| code == *spelling);
            assert!(listed, "{spelling}");
        }
    }

    #[test]
    fn the_units_that_a_message_allows_are_units() {
        for name in ALLOWED.split(", ") {
            assert!(Unit::from_spelling(name).is_some(), "{name}");
        }
    }
}
