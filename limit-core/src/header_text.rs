//! The texts of rate-limit headers that depend on a policy only, not on a request.
//!
//! `#[rate_limit]` writes them as literals, and the runtime makes those of other limits with the
//! same functions.

use core::fmt::{self, Write};

use crate::limit::Limit;
use crate::limits::Limits;
use crate::unit::Unit;

/// Where header texts are written to.
pub trait WriteText: Write {
    /// Writes a number in decimal digits.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn write_number(&mut self, number: u64) -> fmt::Result {
        write!(self, "{number}")
    }
}

impl WriteText for fmt::Formatter<'_> {}

/// The name of a limit: the name of its policy, with the window if the policy has several limits
/// (`predict`, `predict-60s`).
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    /// The name of the policy.
    pub name: &'a str,
    /// What the limit counts.
    pub unit: Unit,
    /// The limit whose window is a part of the label.
    pub window: Option<Limit>,
}

impl Label<'_> {
    /// Writes the label as the content of a structured field string (RFC 9651, section 3.3.3): in
    /// printable ASCII. Other characters become `_`.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write_to(self, to: &mut impl WriteText) -> fmt::Result {
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
        let Some(millis) = self.window.map(Limit::window_millis) else {
            return Ok(());
        };
        to.write_str("-")?;
        if millis.is_multiple_of(1_000) {
            to.write_number(millis / 1_000)?;
            to.write_str("s")
        } else {
            to.write_number(millis)?;
            to.write_str("ms")
        }
    }

    /// Writes the start of the value of `RateLimit`, up to the units that remain: `"predict";r=`.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write_state_prefix(self, to: &mut impl WriteText) -> fmt::Result {
        to.write_str("\"")?;
        self.write_to(to)?;
        to.write_str("\";r=")
    }

    /// Writes the element of `RateLimit-Policy` for a limit: `"predict";q=10;w=60`, and
    /// `"predict";q=10;qu="tokens";w=60` for a unit other than requests.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write_policy(self, limit: Limit, to: &mut impl WriteText) -> fmt::Result {
        to.write_str("\"")?;
        self.write_to(to)?;
        to.write_str("\";q=")?;
        to.write_number(limit.count().get())?;
        if let Some(unit) = self.unit.in_headers() {
            to.write_str(";qu=\"")?;
            to.write_str(unit)?;
            to.write_str("\"")?;
        }
        to.write_str(";w=")?;
        to.write_number(limit.window_millis().div_ceil(1_000))
    }
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// The label of each limit of a policy, in the order of the limits.
pub fn labels<'a, 'l>(
    name: &'a str,
    limits: &'l Limits,
) -> impl Iterator<Item = Label<'a>> + Clone + use<'a, 'l> {
    let has_several = limits.len() > 1;
    let unit = limits.unit();
    limits.iter().map(move |&limit| Label {
        name,
        unit,
        window: has_several.then_some(limit),
    })
}

/// Writes the value of `RateLimit-Policy` for limits with their labels.
///
/// # Errors
///
/// Those of `to`.
pub fn write_policies<'a>(
    limits: impl IntoIterator<Item = (Label<'a>, Limit)>,
    to: &mut impl WriteText,
) -> fmt::Result {
    for (index, (label, limit)) in limits.into_iter().enumerate() {
        if index > 0 {
            to.write_str(", ")?;
        }
        label.write_policy(limit, to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::limits;
    use std::string::{String, ToString};

    impl WriteText for String {}

    #[test]
    fn a_name_never_ends_its_quoted_string() {
        let label = Label {
            name: "naïve\"\\\n",
            unit: Unit::REQUESTS,
            window: None,
        };
        assert_eq!(label.to_string(), "na_ve___");
    }

    #[test]
    fn a_unit_other_than_requests_is_in_the_policy() {
        for (limits, policy) in [
            (limits!("10 requests/minute"), r#""a";q=10;w=60"#),
            (limits!("10 tokens/minute"), r#""a";q=10;qu="tokens";w=60"#),
            (
                limits!("10 bytes/minute"),
                r#""a";q=10;qu="content-bytes";w=60"#,
            ),
            (
                limits!("10/minute", unit = "frames"),
                r#""a";q=10;qu="frames";w=60"#,
            ),
        ] {
            let mut text = String::new();
            let pairs = labels("a", &limits).zip(limits.iter().copied());
            write_policies(pairs, &mut text).unwrap();
            assert_eq!(text, policy);
        }
    }

    #[test]
    fn windows_are_in_the_labels_of_several_limits() {
        let several = limits!("10/second; 100/1500ms; 1000/hour");
        let mut policy = String::new();
        let pairs = labels("predict", &several).zip(several.iter().copied());
        write_policies(pairs, &mut policy).unwrap();
        assert_eq!(
            policy,
            r#""predict-1s";q=10;w=1, "predict-1500ms";q=100;w=2, "predict-3600s";q=1000;w=3600"#
        );
        let single = limits!("10/minute");
        let mut prefix = String::new();
        for label in labels("predict", &single) {
            label.write_state_prefix(&mut prefix).unwrap();
        }
        assert_eq!(prefix, r#""predict";r="#);
    }
}
