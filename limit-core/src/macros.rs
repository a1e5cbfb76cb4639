//! The [`limits!`](crate::limits!) macro.

/// A checked constant [`Limits`](crate::Limits) value.
///
/// Takes any constant `&str`. A string that is not valid does not compile, and the compile error
/// says what was found, what is allowed and what to write instead. For a string that is only known
/// at run time, use [`Limits::parse`](crate::Limits::parse).
///
/// ```
/// use limit_core::{Limits, limits};
///
/// const CHAT: Limits = limits!("10/second; 100/minute");
///
/// const FREE: &str = "10/hour";
/// let free = limits!(FREE);
/// assert_eq!(free.first().count().get(), 10);
/// ```
///
/// With `unit = "…"`, the limits count a [`Unit`](crate::Unit) of your own:
///
/// ```
/// use limit_core::{Limits, limits};
///
/// const VIDEO: Limits = limits!("3_000/minute; 100_000/day", unit = "frames");
/// assert_eq!(VIDEO.to_string(), "3000 frames per minute; 100000 frames per day");
/// ```
///
/// ```compile_fail
/// // unknown unit `minuet`: did you mean `minute`? allowed: ms, second, minute, …
/// limit_core::limits!("10/minuet");
/// ```
#[macro_export]
macro_rules! limits {
    ($text:expr $(,)?) => {{
        // An item, because an inline `const` block in dead code is not evaluated.
        const __LIMIT_CORE_CHECKED: $crate::Limits = $crate::__private::checked($text);
        __LIMIT_CORE_CHECKED
    }};
    ($text:expr, unit = $unit:expr $(,)?) => {{
        const __LIMIT_CORE_CHECKED: $crate::Limits = $crate::__private::checked_in($text, $unit);
        __LIMIT_CORE_CHECKED
    }};
}

/// What the expansion of [`limits!`](crate::limits!) calls.
pub mod __private {
    use crate::{Limits, ParseError, Unit};

    /// Evaluated only at compile time, where a panic is an error at the caller's literal.
    #[track_caller]
    #[must_use]
    pub const fn checked(text: &str) -> Limits {
        valid(Limits::parse(text))
    }

    /// [`checked`], for limits of this unit.
    #[track_caller]
    #[must_use]
    #[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
    pub const fn checked_in(text: &str, unit: &str) -> Limits {
        match Unit::new(unit) {
            Ok(unit) => valid(Limits::parse_in(text, unit)),
            Err(error) => panic!("{}", error.text().as_str()),
        }
    }

    #[track_caller]
    #[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
    const fn valid(limits: Result<Limits, ParseError>) -> Limits {
        match limits {
            Ok(limits) => limits,
            Err(error) => panic!("{}", error.text().as_str()),
        }
    }
}
