//! Names of limits in headers and bodies.

use limit_core::Limit;
use std::fmt::{self, Write};

/// The name of a limit: the name of its policy, with the window if the policy has several limits
/// (`predict`, `predict-60s`).
#[derive(Clone, Copy)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    pub(crate) window: Option<Limit>,
}

impl Label {
    /// Whether both are certainly equal. Compares names by address, which is quick. Equal names at
    /// different addresses count as different.
    #[inline]
    pub(crate) fn is(self, other: Self) -> bool {
        std::ptr::eq(self.name, other.name) && self.window == other.window
    }

    /// Writes the label as the content of a structured field string (RFC 9651, section 3.3.3): in
    /// printable ASCII. Other characters become `_`.
    pub(crate) fn write_to(self, to: &mut impl Write) -> fmt::Result {
        // Quotes and backslashes would need an escape.
        let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if self.name.bytes().all(is_plain) {
            to.write_str(self.name)?;
        } else {
            for c in self.name.chars() {
                let is_plain = u8::try_from(c).is_ok_and(is_plain);
                to.write_char(if is_plain { c } else { '_' })?;
            }
        }
        match self.window.map(Limit::window_millis) {
            None => Ok(()),
            Some(millis) if millis % 1_000 == 0 => write!(to, "-{}s", millis / 1_000),
            Some(millis) => write!(to, "-{millis}ms"),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_ends_its_quoted_string() {
        let label = Label {
            name: "naïve\"\\\n",
            window: None,
        };
        assert_eq!(label.to_string(), "na_ve___");
    }
}
