//! What is behind a count: a unit, and a window.

use core::num::NonZeroU64;

use crate::number::Number;
use crate::parser::{Parser, is_per};
use crate::time_unit::TimeUnit;
use crate::unit::Unit;

/// What follows a count.
#[derive(Clone, Copy)]
pub(crate) struct WindowAfter {
    pub(crate) unit: Option<Unit>,
    /// In milliseconds.
    pub(crate) window: NonZeroU64,
    /// Where it ends.
    pub(crate) end: usize,
}

impl Parser<'_> {
    /// The unit of a count, which its text then includes. The one that limits are read in can have
    /// any name; the others are the known ones.
    pub(crate) const fn unit(&mut self, count: &mut Number) -> Option<Unit> {
        let mut ahead = *self;
        ahead.skip_space();
        let word = (ahead.at, ahead.unit_end(ahead.at));
        let text = self.slice(word);
        if text.is_empty() || is_per(text) {
            return None;
        }
        let unit = match self.unit {
            Some(unit) if text.eq_ignore_ascii_case(unit.as_str()) => unit,
            Some(_) | None => match Unit::from_spelling(text) {
                Some(unit) => unit,
                None => return None,
            },
        };
        // `10 seconds` is a count and a window without `per`.
        let is_window = TimeUnit::from_spelling(text).is_some();
        if is_window && !is_per(self.token_after(word.1)) {
            return None;
        }
        self.at = word.1;
        count.span.1 = word.1;
        Some(unit)
    }
}
