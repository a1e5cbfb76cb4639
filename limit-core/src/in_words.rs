//! Limits and counts as sentences have them, such as the message of a 429.

use core::fmt;

use crate::limit::{Canonical, Limit};
use crate::unit::Unit;

/// A limit: `100,000 tokens per minute`, with commas in its count, or `10000 per minute` for
/// requests.
#[derive(Clone, Copy, Debug)]
pub struct InWords {
    /// The limit.
    pub limit: Limit,
    /// What it counts.
    pub unit: Unit,
}

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Canonical::EMPTY;
        text.push_limit_in_words(self.limit, self.unit);
        fmt::Display::fmt(&text, f)
    }
}

/// Units, with commas in their number: `100,000 tokens`; a number alone for requests, without
/// commas.
#[derive(Clone, Copy, Debug)]
pub struct UnitsInWords {
    /// How many.
    pub count: u64,
    /// Of what.
    pub unit: Unit,
}

impl fmt::Display for UnitsInWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Canonical::EMPTY;
        text.push_units_in_words(self.count, self.unit);
        fmt::Display::fmt(&text, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::{Limits, limits};
    use std::string::ToString;

    fn shown(limits: Limits) -> std::string::String {
        let (limit, unit) = (limits.first(), limits.unit());
        InWords { limit, unit }.to_string()
    }

    #[test]
    fn limits_are_written_as_in_a_sentence() {
        assert_eq!(shown(limits!("10/minute")), "10 per minute");
        assert_eq!(shown(limits!("10000 requests/5 days")), "10000 per 5 days");
        assert_eq!(
            shown(limits!("100000 tokens/minute")),
            "100,000 tokens per minute"
        );
        assert_eq!(shown(limits!("1 images/day")), "1 image per day");
        let longest = limits!("999999999999999/315359999999ms", unit = "abcdefgh-jklmnop");
        let text = "999,999,999,999,999 abcdefgh-jklmnop per 315359999999 ms";
        assert_eq!(shown(longest), text);
    }

    #[test]
    fn requests_are_a_number_alone() {
        let shown = |count, unit| UnitsInWords { count, unit }.to_string();
        assert_eq!(shown(1_500, Unit::REQUESTS), "1500");
        assert_eq!(shown(1_500, Unit::TOKENS), "1,500 tokens");
        assert_eq!(shown(1, Unit::TOKENS), "1 token");
    }
}
