//! Units of time: their spellings and lengths.

use crate::const_str::ConstStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
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

/// Every accepted spelling, in lower case. Suggestions prefer those that come first.
pub(crate) const SPELLINGS: &[(&str, TimeUnit)] = &[
    ("second", TimeUnit::Second),
    ("minute", TimeUnit::Minute),
    ("hour", TimeUnit::Hour),
    ("day", TimeUnit::Day),
    ("week", TimeUnit::Week),
    ("month", TimeUnit::Month),
    ("year", TimeUnit::Year),
    ("millisecond", TimeUnit::Millisecond),
    ("seconds", TimeUnit::Second),
    ("minutes", TimeUnit::Minute),
    ("hours", TimeUnit::Hour),
    ("days", TimeUnit::Day),
    ("weeks", TimeUnit::Week),
    ("months", TimeUnit::Month),
    ("years", TimeUnit::Year),
    ("milliseconds", TimeUnit::Millisecond),
    ("ms", TimeUnit::Millisecond),
    ("msec", TimeUnit::Millisecond),
    ("msecs", TimeUnit::Millisecond),
    ("millis", TimeUnit::Millisecond),
    ("s", TimeUnit::Second),
    ("sec", TimeUnit::Second),
    ("secs", TimeUnit::Second),
    ("m", TimeUnit::Minute),
    ("min", TimeUnit::Minute),
    ("mins", TimeUnit::Minute),
    ("h", TimeUnit::Hour),
    ("hr", TimeUnit::Hour),
    ("hrs", TimeUnit::Hour),
    ("d", TimeUnit::Day),
    ("w", TimeUnit::Week),
    ("wk", TimeUnit::Week),
    ("wks", TimeUnit::Week),
    ("y", TimeUnit::Year),
    ("yr", TimeUnit::Year),
    ("yrs", TimeUnit::Year),
];

/// The units that a window is written in, each with its singular and plural. Months and years are
/// not among them, because their length varies: "30 days" is exact, "1 month" is not.
const WRITTEN: [(TimeUnit, &str, &str); 6] = [
    (TimeUnit::Week, "week", "weeks"),
    (TimeUnit::Day, "day", "days"),
    (TimeUnit::Hour, "hour", "hours"),
    (TimeUnit::Minute, "minute", "minutes"),
    (TimeUnit::Second, "second", "seconds"),
    (TimeUnit::Millisecond, "ms", "ms"),
];

impl TimeUnit {
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

/// `millis`, which is not 0, in the largest unit that divides it evenly: the number, the name of
/// the unit in singular or plural, and the unit.
const fn in_words(millis: u64) -> (u64, &'static str, TimeUnit) {
    let mut i = 0;
    while i < WRITTEN.len() {
        let (unit, one, many) = WRITTEN[i];
        if millis.is_multiple_of(unit.millis()) {
            let number = millis / unit.millis();
            return (number, if number == 1 { one } else { many }, unit);
        }
        i += 1;
    }
    (millis, "ms", TimeUnit::Millisecond)
}

impl<const N: usize> ConstStr<N> {
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
            TimeUnit::Second => "s",
            _ => name,
        };
        if number != 1 || matches!(unit, TimeUnit::Millisecond) {
            self.push_number(number);
            if !matches!(unit, TimeUnit::Second | TimeUnit::Millisecond) {
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
            assert!(TimeUnit::from_spelling(name).is_some(), "{name}");
        }
    }
}
